"""`syntax_problem`: find the errors for which Home Assistant refuses a template."""

import re

_TAG = re.compile(r"\{\{|\{%|\{#")
_ENDS = {"{{": "}}", "{%": "%}", "{#": "#}"}
_BLOCKS = ("if", "for", "macro", "call", "filter", "block", "with", "raw", "autoescape")
_NEED_AN_EXPRESSION = ("if", "elif", "for", "set", "macro", "call", "filter", "block")
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_TOKEN = re.compile(rf"{_STRING.pattern}|['\"{{}}%]", re.DOTALL)
_SPACE_CONTROL = re.compile(r"^[-+]|[-]$")
_UNBEGUN = re.compile(r"[*/%~|.,=<>!]|(?:and|or|in|is|if|else)\b")
_UNFINISHED = re.compile(r"(?:[-+*/%~|.,=<>!(\[{]|\b(?:and|or|not|in|is|if|else))$")


def syntax_problem(template: str) -> str | None:
    """Return the first error in a template, in Jinja's words where this is possible. None if there is none.

    The check covers unclosed tags, unbalanced brackets and quotes, empty and unfinished expressions, and blocks without
    a beginning or an end. It knows no filters and functions.
    """
    position, blocks = 0, list[str]()
    while (tag := _TAG.search(template, position)) is not None:
        end = _end_of(template, tag.end(), _ENDS[tag[0]])
        if end is None:
            return f"unexpected end of template, expected '{_ENDS[tag[0]]}'"
        inner = _SPACE_CONTROL.sub("", template[tag.end() : end]).strip()
        position = end + 2
        if tag[0] == "{#":
            continue
        problem = (
            _block_problem(inner, blocks) if tag[0] == "{%" else _expression_problem(inner, "end of print statement")
        )
        if problem is not None:
            return problem
        if blocks[-1:] == ["raw"]:
            close = re.compile(r"\{%-?\s*endraw\s*-?%\}").search(template, position)
            if close is None:
                return "Missing end of raw directive"
            blocks.pop()
            position = close.end()
    return f"Unexpected end of template. Jinja was looking for 'end{blocks[-1]}'" if blocks else None


def _end_of(template: str, begin: int, end: str) -> int | None:
    """Return the position of the end of a tag. Quoted text and braces in pairs do not end it, except in a comment."""
    if end == "#}":
        found = template.find(end, begin)
        return found if found >= 0 else None
    depth = 0
    for token in _TOKEN.finditer(template, begin):
        if depth == 0 and template.startswith(end, token.start()):
            return token.start()
        if token[0] in ("'", '"'):
            return None  # the text has no second quote
        if token[0] in ("{", "}"):
            depth = max(0, depth + (1 if token[0] == "{" else -1))
    return None


def _block_problem(inner: str, blocks: list[str]) -> str | None:
    name, _, rest = inner.partition(" ")
    if not name:
        return "tag name expected"
    if name.startswith("end"):
        if not blocks or f"end{blocks.pop()}" != name:
            return f"Encountered unknown tag '{name}'"
        return None
    if name in _BLOCKS or (name == "set" and "=" not in rest):
        blocks.append(name)
    return _expression_problem(rest.strip(), "end of statement block") if name in _NEED_AN_EXPRESSION else None


def _expression_problem(text: str, end: str) -> str | None:
    if not text:
        return f"Expected an expression, got '{end}'"
    expected = list[str]()
    for character in _STRING.sub("''", text):
        if character in _BRACKETS:
            expected.append(_BRACKETS[character])
        elif character in ")]}" and (not expected or expected.pop() != character):
            return f"unexpected '{character}'"
    if expected:
        return f"unexpected '{end}', expected '{expected[-1]}'"
    if _UNBEGUN.match(text):
        return f"unexpected '{text.split()[0]}'"
    return f"Expected an expression, got '{end}'" if _UNFINISHED.search(text) else None

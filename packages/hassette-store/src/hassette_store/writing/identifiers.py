"""Variable parts of an error message: numbers, addresses, ids, times, quoted texts and temporary paths.

`normalised` replaces them by ``#``, so that the same failure of another device, at another time or with another value
forms the same error group. If a pattern also replaces a constant text, this does no harm, because all messages of the
group contain that text. So the patterns match much, except words and names that distinguish two errors.
"""

import re
from typing import Final

MAX_MESSAGE: Final = 400
"""Number of characters of a message that count, before the replacement."""
MAX_NORMALISED: Final = 200
"""Number of characters of a normalised message."""

# Each alternative starts with a set of characters, and looks behind afterwards: Python's engine quickly skips an
# alternative whose first set does not contain the next character. Repetitions without an upper limit are possessive, so
# that the cost grows only linearly with the length.
_HEX: Final = "[0-9A-Fa-f]"
_FIRST: Final = "(?<![0-9A-Za-z].)"
_LAST: Final = "(?![0-9A-Za-z])"
_PATH: Final = r"""[^\s'"<>|,;()\[\]]*+"""
_BASE64: Final = "[0-9A-Za-z_+/=-]"
# A part of a name: lower case, upper case or CamelCase, with or without a number at its end. Hardly any random text of
# 20 characters consists of such parts only.
_WORD: Final = (
    "(?:(?<![0-9])(?:[A-Z]{0,5}[a-z]{2,}+|[A-Z]{2,}+|[A-Za-z](?![A-Za-z]))[0-9]*+|(?<![0-9A-Za-z])[0-9]++|[_+/=-])"
)
_MONTH: Final = "(?:(?<=J)(?:an|un|ul)|(?<=F)eb|(?<=M)a[ry]|(?<=A)(?:pr|ug)|(?<=S)ep|(?<=O)ct|(?<=N)ov|(?<=D)ec)[a-z]*+"
_ZONE: Final = r"(?:%[\w.-]*\w)?"
_AFTER_TIME: Final = r"(?:[.,]\d++)?+(?:\s?[AaPp]\.?[Mm]\b)?+(?:\s?(?:Z\b|UTC\b|GMT\b|[+-]\d\d:?\d\d\b))*+"
# Units that a program chooses by the size of the number, and the endings of ordinal numbers.
_UNIT: Final = (
    "[numµμ]?s|secs?|seconds?|mins?|minutes?|hrs?|hours?|[hd]|days?|weeks?"
    "|[kKMGT]i?B|[kKMGT]?[Bb]ytes?|B|[kMG]?Wh?|mW|[mk]?[VA]|[kMG]?Hz|[mck]?m|k?g|st|nd|rd|th"
)
_PRERELEASE: Final = r"(?:[-.]?(?:alpha|beta|a|b|rc|dev|post)\.?\d++\b)*+"
_REST_OF_NUMBER: Final = (
    rf"\d*+(?:[.,'’_\u00a0\u202f٫٬．，]\d++)*+(?:[eE][-+]?\d++)?+(?:{_PRERELEASE})(?:\s?(?:{_UNIT})\b)?+"
)

_QUOTED_OR_PATH: Final = re.compile(
    rf"""
      # Quoted texts, also if the limit has cut the second quote. A quote between letters is an apostrophe.
      '(?:(?<!\w')|(?<=\b[bBrRuU]'))(?:[^'\\\n]|\\.)*+(?:'|\Z)
    | "(?:(?<!\w")|(?<=\b[bBrRuU]"))(?:[^"\\\n]|\\.)*+(?:"|\Z)
    | `[^`\n]++(?:`|\Z)
    | [“„][^”“\n]*+(?:[”“]|\Z)
    | «[^»\n]*+(?:»|\Z)
    | ‘[^’\n]*+(?:’|\Z)
      # Temporary files.
    | /(?<![\w.]/)(?:private/)?(?:tmp|var/tmp|var/folders|dev/shm|run/user)/{_PATH}
    | [A-Za-z](?<!\w.):[\\/](?:[^\\/:*?"<>|\n]++[\\/])*?(?:[Tt]e?mp|TE?MP)[\\/]{_PATH}
    | t(?<!\wt)mp[a-z0-9_]{{8}}\b
    """,
    re.VERBOSE,
)
_IDENTIFIER: Final = re.compile(
    rf"""
      # Entity ids, file names and other names with a dot.
      [a-z_](?<!\w.)[a-z0-9_]*+(?:\.[a-z0-9_]++)++
      # Random texts in base 32 or 64.
    | [0-9A-Za-z_+/-](?<!{_BASE64}.)(?={_BASE64}{{19}})(?<=(?!{_WORD}++(?!{_BASE64})).){_BASE64}++
      # Dates and times.
    | \d(?<!\d.)\d{{3}}[-/.]\d\d?[-/.]\d\d?(?:[T\ ]\d\d?(?::\d\d){{1,2}}{_AFTER_TIME})?+{_PRERELEASE}
    | \d(?<!\d.)\d?(?::\d\d){{1,2}}+(?!:?\w){_AFTER_TIME}
    | [JFMASOND](?<!\w.){_MONTH}\.?[\s,-]++\d{{1,4}}\b
    | [MTWFS](?<!\w.)(?:on|ue|ed|hu|ri|at|un)[a-z]*+,?\s+(?=\d|(?:Jan|Feb|Ma[ry]|Apr|Ju[nl]|Aug|Sep|Oct|Nov|Dec))
      # MAC addresses, and IPv6 addresses with a zone.
    | [0-9A-Fa-f](?<![\w:.].){_HEX}{{0,3}}(?::{_HEX}{{0,4}}){{2,8}}(?:\.\d+){{0,3}}(?:(?<!:)|(?<=::)){_ZONE}{_LAST}
    | :(?<![\w:.]:):{_HEX}{{0,4}}(?::{_HEX}{{0,4}}){{0,7}}(?:\.\d+){{0,3}}(?:(?<!:)|(?<=::)){_ZONE}{_LAST}
      # Other bytes in pairs, and the MAC addresses of network switches.
    | [0-9A-Fa-f]{_FIRST}{_HEX}(?P<gap>[-.\ ]){_HEX}{{2}}(?:(?P=gap){_HEX}{{2}})+{_LAST}
    | [0-9A-Fa-f]{_FIRST}{_HEX}{{3}}(?:\.{_HEX}{{4}}){{2}}{_LAST}
      # UUIDs, addresses and colours.
    | [0-9A-Fa-f]{_FIRST}{_HEX}{{7}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}{_LAST}
    | 0{_FIRST}[xX][0-9A-Fa-f_]++
    | \#(?<!\w\#){_HEX}{{3,8}}{_LAST}
      # Numbers with an exponent, and other hexadecimal numbers. A short word such as "facade" is not a number.
    | [0-9]{_FIRST}[0-9]*+(?:\.[0-9]++)?+[eE][-+]?[0-9]++{_LAST}
    | [0-9]{_FIRST}[0-9]*+[A-Fa-f]{_HEX}*+{_LAST}
    | [A-Fa-f]{_FIRST}(?:[A-Fa-f]*+[0-9]{_HEX}*+|[A-Fa-f]{{7,}}+){_LAST}
      # Serial numbers of letters and digits. A name with one number at its end, such as SHA256 or ISO8601, is none.
    | [0-9A-Z]{_FIRST}(?<=(?=[A-Z]*+[0-9][0-9A-Z])(?=[0-9]*+[A-Z]).)[0-9A-Z]{{7,}}+{_LAST}
    | [0-9A-Za-z]{_FIRST}(?=[0-9A-Za-z]{{5}})(?<=(?=[A-Za-z]*+[0-9]++[A-Za-z]++[0-9]).)[0-9A-Za-z]++{_LAST}
      # Lengths of time such as 1h30m and PT5M.
    | [0-9]{_FIRST}[0-9]*+[wdhms](?:[0-9]++(?:ms|[wdhms]))++{_LAST}
    | P(?<!\w.)(?=T?[0-9])(?:[0-9]++[YMWD])*+(?:T(?:[0-9]++(?:[.,][0-9]++)?+[HMS])++)?+{_LAST}
      # What Python prints for numbers that are not finite.
    | [-+in](?<![\w.-].)(?:(?<=[-+])(?:inf|nan)|(?<=i)nf|(?<=n)an)\b
      # Numbers with a sign, separators, exponent and unit.
    | [-+−±－](?<!\w.)(?:0[xX][0-9A-Fa-f_]++|\.?\d{_REST_OF_NUMBER})
    | \d{_REST_OF_NUMBER}
    """,
    re.VERBOSE,
)
_CONSTANT: Final = r"(?:\b(?:True|False|None|true|false|null)\b|#)"
_SEQUENCE: Final = re.compile(rf"#(?:[\s,;:./+-]{{0,3}}{_CONSTANT})++")
_IN_BRACKETS: Final = re.compile(rf"[\[{{(](?:{_CONSTANT}[\s,;:]{{0,3}})*+[\]}})]")
_MAX_DEPTH: Final = 5
"""Number of levels of nested lists and mappings that become one ``#``."""


def normalised(message: str) -> str:
    """Return the first line of a message with its variable parts replaced by ``#``, cut to 200 characters.

    A list or a mapping of variable parts becomes one ``#``, however long it is.
    """
    line = message[:MAX_MESSAGE].lstrip().partition("\n")[0]
    masked = _SEQUENCE.sub("#", _IDENTIFIER.sub("#", _QUOTED_OR_PATH.sub("#", line)))
    for _ in range(_MAX_DEPTH):
        masked, replaced = _IN_BRACKETS.subn("#", masked)
        if not replaced:
            break
        masked = _SEQUENCE.sub("#", masked)
    return masked[:MAX_NORMALISED]

"""Variable parts of an error message: numbers, addresses, ids, times, quoted texts and temporary paths.

`normalised` replaces them by ``#``, so that the same failure of another device, at another time or with another value
forms the same error group. If a pattern also replaces a constant text, this does no harm, because all messages of the
group contain that text. So the patterns match much, except words and names that distinguish two errors.
"""

import re
from typing import Final

MAX_MESSAGE: Final = 400
"""Number of characters of a message that are replaced first. For most messages, the result is long enough."""
MAX_LONG_MESSAGE: Final = 2_000
"""Number of characters that count if the first part becomes short, for example because it is a long JSON text."""
MAX_NORMALISED: Final = 200
"""Number of characters of a normalised message."""

# Each alternative starts with a set of characters, and looks behind afterwards: Python's engine quickly skips an
# alternative whose first set does not contain the next character. Repetitions without an upper limit are possessive, so
# that the cost grows only linearly with the length.
_HEX: Final = "[0-9A-Fa-f]"
_FIRST: Final = "(?<![0-9A-Za-z].)"
_LAST: Final = "(?![0-9A-Za-z])"
_PATH: Final = r"""[^\s'"<>|,;()\[\]]*+"""
_BASE64: Final = "[0-9A-Za-z_+/-]"
# A part of a name: lower case, upper case or CamelCase, with or without a number at its end. Hardly any random text of
# 20 characters consists of such parts only.
_WORD: Final = (
    "(?:(?<![0-9])(?:[A-Z]{0,5}[a-z]{2,}+|[A-Z]{2,}+|[A-Za-z](?![A-Za-z]))[0-9]*+|(?<![0-9A-Za-z])[0-9]++|[_+/-])"
)
# All words of four or more letters from "a" to "f" that are usual in English, German or French.
_WORD_IN_HEX: Final = (
    "(?:aced|added|affe|babe|bade|bead(?:ed)?|bedded|beef|cafe|(?:ac|pre)?ceded?|dada|dead|deaf|decade|deed(?:ed)?"
    "|d?effaced?|defaced?|ebbed?|edda|facade|faced?|faded?|feed)"
)
_MONTH: Final = "(?:(?<=J)(?:an|un|ul)|(?<=F)eb|(?<=M)a[ry]|(?<=A)(?:pr|ug)|(?<=S)ep|(?<=O)ct|(?<=N)ov|(?<=D)ec)[a-z]*+"
_ZONE: Final = r"(?:%[\w.-]*\w)?"
_NAME_OF_ZONE: Final = "(?:Z|UTC|GMT|BST|WES?T|CES?T|EES?T|MSK|IST|JST|KST|[ACEMP][DS]T|A[CEW][DS]T|NZ[DS]T|HST)"
_TIME_ZONE: Final = (
    rf"(?:\s?(?:{_NAME_OF_ZONE}\b|[+-]\d\d(?::?\d\d)?\b))*+(?:\s?[\[(](?:[A-Z][\w-]++/[\w/-]++|UTC|GMT)[\])])?+"
)
_AFTER_TIME: Final = rf"(?:[.,]\d++)?+(?:\s?[AaPp]\.?[Mm]\b)?+{_TIME_ZONE}"
# Units that a program chooses by the size of the number, and the endings of ordinal numbers.
_UNIT: Final = (
    "[numµμ]?s|secs?|seconds?|mins?|minutes?|hrs?|hours?|[hd]|days?|weeks?|[ap]m|[AP]M"
    "|[kKMGT](?:i?B)?|[kKMGT]?[Bb]ytes?|B|[kMG]?Wh?|mW|[mk]?[VA]|[kMG]?Hz|[mck]?m|k?g|st|nd|rd|th|sub-exceptions?"
)
_AFTER_VERSION: Final = r"(?:[-.]?(?:alpha|beta|a|b|rc|dev|post)\.?\d++\b)*+(?:\+g?[0-9a-f]{6,}[\w.]*+)?+"
_REST_OF_NUMBER: Final = (
    rf"\d*+(?:[.,'’_\u00a0\u202f٫٬．，]\d++)*+(?:[eE][-+]?\d++)?+(?:{_AFTER_VERSION})(?:\s?(?:{_UNIT})\b)?+"
)

_QUOTED_OR_PATH: Final = re.compile(
    rf"""
      # Quoted texts, also if the limit has cut the second quote. A quote between letters is an apostrophe.
      '(?:(?<!\w')|(?<=\b[bBrRuU]'))(?:[^'\\\n]|\\.)*+(?:'|\Z)
    | "(?:(?<!\w")|(?<=\b[bBrRuU]"))(?:[^"\\\n]|\\.)*+(?:"|\Z)
    | `[^`\n]++(?:`|\Z)
    | [“„][^”“\n]*+(?:[”“]|\Z)
    | ”[^”\n]*+”
    | «[^»\n]*+(?:»|\Z)
    | »[^«»\n]*+«
    | [‘‚][^‘’\n]*+(?:[‘’]|\Z)
    | ‹[^›\n]*+(?:›|\Z)
    | ›[^‹›\n]*+‹
    | 「[^」\n]*+(?:」|\Z)
    | 『[^』\n]*+(?:』|\Z)
    | ＂[^＂\n]*+(?:＂|\Z)
      # Temporary files.
    | /(?<![\w.]/)(?:private/)?(?:tmp|var/tmp|var/folders|dev/shm|run/user)/{_PATH}
    | [A-Za-z](?<!\w.):[\\/](?:[^\\/:*?"<>|\n]++[\\/])*?(?:[Tt]e?mp|TE?MP)[\\/]{_PATH}
    | t(?<!\wt)mp[a-z0-9_]{{8}}\b
    | /[^\s'"/]*\.te?mp\b
      # User, host and query of a URL. The words of its path remain.
    | :(?<=[A-Za-z0-9]:)//[^\s'"<>/?\#]++
    | \?(?<=\w\?|/\?)[^\s'"<>()=]*=[^\s'"<>()]*+
      # Addresses of mail.
    | [0-9A-Za-z](?<![\w.%+-].)[\w.%+-]*@[\w.-]*\w
    """,
    re.VERBOSE,
)
_IDENTIFIER: Final = re.compile(
    rf"""
      d(?<!\w.)atetime\.timedelta\([^()]*+\)
      # Entity ids, file names, host names and other names with a dot.
    | [^\W\dA-Z](?<![\w-].)[^\WA-Z]*+(?:-[^\WA-Z]++)*+(?:\.[^\WA-Z]++(?:-[^\WA-Z]++)*+)++
      # Dates and times.
    | \d(?<!\d.)\d{{3}}[-/.]\d\d?[-/.]\d\d?(?:(?:T\d\d?(?::\d\d){{0,2}}|\ \d\d?(?::\d\d){{1,2}})
      {_AFTER_TIME})?+{_AFTER_VERSION}
    | \d(?<!\d.)\d?(?::\d\d){{1,2}}+(?!:?\w){_AFTER_TIME}
    | [JFMASOND](?<!\w.){_MONTH}\.?[\s,/-]++\d{{1,4}}\b
    | [MTWFS](?<!\w.)(?:on|ue|ed|hu|ri|at|un)[a-z]*+,?\s+(?=\d|(?:Jan|Feb|Ma[ry]|Apr|Ju[nl]|Aug|Sep|Oct|Nov|Dec))
      # MAC addresses, IPv6 addresses with a zone, and fingerprints of certificates.
    | [0-9A-Fa-f](?<![0-9A-Za-z:.].){_HEX}{{0,3}}(?::{_HEX}{{0,4}}){{2,31}}(?:\.\d+){{0,3}}(?:(?<!:)|(?<=::))
      {_ZONE}{_LAST}
    | :(?<![0-9A-Za-z:.]:):{_HEX}{{0,4}}(?::{_HEX}{{0,4}}){{0,7}}(?:\.\d+){{0,3}}(?:(?<!:)|(?<=::)){_ZONE}{_LAST}
      # Other bytes in pairs, and the MAC addresses of network switches.
    | [0-9A-Fa-f]{_FIRST}{_HEX}(?P<gap>[-._\ ]){_HEX}{{2}}(?:(?P=gap){_HEX}{{2}})+{_LAST}
    | [0-9A-Fa-f]{_FIRST}{_HEX}{{3}}(?:\.{_HEX}{{4}}){{2}}{_LAST}
      # UUIDs, addresses and colours.
    | [0-9A-Fa-f]{_FIRST}{_HEX}{{7}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}{_LAST}
    | 0{_FIRST}[xX](?:_?{_HEX}){{4,}}+{_LAST}
    | \#(?<!\w\#){_HEX}{{3,8}}{_LAST}
      # Long hexadecimal numbers.
    | [0-9A-Fa-f](?<![0-9A-Za-z.].)(?<=(?=[A-Fa-f]*+[0-9]).)(?<=(?=(?:[0-9a-f]++|[0-9A-F]++){_LAST}).){_HEX}{{7,}}+
    """,
    re.VERBOSE,
)
# The parts of a name with an identifier above must not count as random text, so these patterns come later.
_NUMBER: Final = re.compile(
    rf"""
      # Random texts in base 32 or 64.
      [0-9A-Za-z_+/-](?<!{_BASE64}.)(?={_BASE64}{{19}})(?<=(?!{_WORD}++(?!{_BASE64})).){_BASE64}++={{0,2}}+
    | 0{_FIRST}[xX][0-9A-Fa-f_]++
      # Numbers with an exponent, and other hexadecimal numbers. "facade" is not one of them.
    | [0-9]{_FIRST}[0-9]*+(?:\.[0-9]++)?+[eE][-+]?[0-9]++{_LAST}
    | [0-9]{_FIRST}[0-9]*+[A-Fa-f]{_HEX}*+h?+{_LAST}
    | [A-Fa-f]{_FIRST}(?:[A-Fa-f]*+[0-9]{_HEX}*+|[A-Fa-f]{{7,}}+)h?+{_LAST}
    | [a-f](?<![^\W_].)(?<=(?!{_WORD_IN_HEX}(?![^\W_])).)[a-f]{{3,}}+(?![^\W_])
    | [A-F](?<![^\W_].)(?<=(?!(?i:{_WORD_IN_HEX})(?![^\W_])).)[A-F]{{3,}}+(?![^\W_])
      # Serial numbers of letters and digits. A name with one number at its end, such as SHA256 or ISO8601, is none.
    | [0-9A-Z]{_FIRST}(?<=(?=[A-Z]*+[0-9][0-9A-Z])(?=[0-9]*+[A-Z]).)[0-9A-Z]{{7,}}+{_LAST}
    | [0-9A-Za-z]{_FIRST}(?=[0-9A-Za-z]{{5}})(?<=(?=[A-Za-z]*+[0-9]++[A-Za-z]++[0-9]).)[0-9A-Za-z]++{_LAST}
      # Lengths of time such as 1h30m and PT5M.
    | [0-9]{_FIRST}[0-9]*+[wdhms](?:[0-9]++(?:ms|[wdhms]))++{_LAST}
    | P(?<!\w.)(?=T?[0-9])(?:[0-9]++[YMWD])*+(?:T(?:[0-9]++(?:[.,][0-9]++)?+[HMS])++)?+{_LAST}
      # What Python and JSON write for numbers that are not finite.
    | [-+inNI](?<![\w.-].)(?:(?<=[-+])(?:inf|nan|Infinity)|(?<=i)nf|(?<=n)an|(?<=N)aN|(?<=I)nfinity)\b
      # Numbers with a sign, currency, separators, exponent and unit.
    | [-+−±－](?<!\w.)(?:0[xX][0-9A-Fa-f_]++|[$€£]?[.]?\d{_REST_OF_NUMBER}|\#)
    | [$€£]\d{_REST_OF_NUMBER}
    | \d{_REST_OF_NUMBER}
    """,
    re.VERBOSE,
)
_CONSTANT: Final = r"(?:\b(?:True|False|None|true|false|null)\b|#)"
_SEQUENCE: Final = re.compile(rf"#(?:[\s,;:./+-]{{0,3}}{_CONSTANT}|\.[a-z][a-z0-9_]*+)++")
_IN_BRACKETS: Final = re.compile(rf"[\[{{(](?:{_CONSTANT}[\s,;:]{{0,3}})*+[\]}})]")
# The beginning of a list or JSON text that the limit or the app has cut. The text after it is masked, too, because the
# cut may be in a quoted text.
_WITHOUT_END: Final = re.compile(r"[\[{(](?:[\[{(]|#\s?(?:[,:]|\Z))[^\]})]*+\Z")
_MAX_DEPTH: Final = 20
"""Number of levels of nested lists and mappings that become one ``#``."""


def normalised(message: str) -> str:
    """Return the first line of a message with its variable parts replaced by ``#``, cut to 200 characters.

    A list or a mapping of variable parts becomes one ``#``, however long it is.
    """
    line = message[:MAX_LONG_MESSAGE].lstrip().partition("\n")[0]
    masked = _masked(line[:MAX_MESSAGE])
    if len(masked) < MAX_NORMALISED and len(line) > MAX_MESSAGE:
        # The constant text after a long variable part must count, because the same part may be short the next time.
        masked = _masked(line)
    return masked[:MAX_NORMALISED]


def _masked(line: str) -> str:
    for pattern in (_QUOTED_OR_PATH, _IDENTIFIER, _NUMBER, _SEQUENCE):
        line = pattern.sub("#", line)
    for _ in range(_MAX_DEPTH):
        line, replaced = _IN_BRACKETS.subn("#", line)
        if not replaced:
            line, replaced = _WITHOUT_END.subn("#", line)
        if not replaced:
            break
        line = _SEQUENCE.sub("#", line)
    return line

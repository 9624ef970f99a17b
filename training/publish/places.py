"""Places of a machine in texts: whole paths, of whatever system, of which others are told the last name alone."""

import re
from urllib.parse import unquote

_NAME = r"[\w.@+~{}=%$#-]"
"""A character of a name that stands in a text with nothing around it."""
_BEGINS = rf"""(?:
    (?:file:/|[A-Za-z][\w+.-]+:///)/*(?:[A-Za-z]:/+)?(?=[^/\s])  # file:///home/me, and others that name no host
  | (?:\\\\[?]\\)?[A-Za-z]:[\\/]+(?=[^\\/\s]{{2}}|[^\\/\s][\\/])  # C:\Users, C:/Users; not "x:\n"
  | (?:\\\\){{1,2}}(?=[\w.-]{{2,}}\\{{1,2}}[\w$]{{2}})  # \\host\share, as it is or escaped
  | (?:~[\w-]*)?/(?={_NAME}+/{_NAME})  # /home/me, ~/me/x; /tmp alone says nothing of a machine
)"""
"""How a path begins that is whole."""
_PLACE = rf"""
    (?:(?<![\w./\\~%)\]}}*-])|(?<=\*\*)|(?<=[\s"'`]-[A-Za-z]))  # no part of a relative path; -I/usr/include is none
    {_BEGINS}(?:{_NAME}|[\\/])+
    (?:(?:\ {_NAME}+)+\\(?:{_NAME}|[\\/])+|(?<=\\)\ {_NAME}+/(?:{_NAME}|/)+)*  # C:\Users\Jane Doe\runs, my\ runs/x
    (?<![.])  # the end of a sentence
"""
_TAGS = "a|b|br|code|dd|dt|em|hr|i|kbd|li|p|pre|samp|small|span|strong|sub|sup|td|th|tt|u"
_KEPT = rf"""
    \b(?!file:)[A-Za-z][\w+.-]+://(?!/)(?:(?!:/)[^\s"'`<>,;|])*  # https://zenodo.org/records/1188976
  | <(?!(?:{_TAGS})>)[\w.-]+>(?:/{_NAME}+)+  # <data_dir>/Actor_01: below a place that is told already
"""
_QUOTED = rf"""(?P<quote>\\?["'`])(?P<quoted>{_BEGINS}(?:(?!(?P=quote))[^\n])*)(?P=quote)"""
_IN_TEXT = re.compile(f"(?P<kept>{_KEPT})|{_QUOTED}|{_PLACE}", re.VERBOSE)
_WHOLE = re.compile(rf"{_BEGINS}[^\n]+", re.VERBOSE)
_COMMAND = re.compile(rf"(?<![:;,])\ (?:--?\w|{_BEGINS})", re.VERBOSE)
"""What follows a path in a command, and does not belong to it."""
_ONE_OF_SEVERAL = re.compile(rf"{_BEGINS}(?:(?![:;,]\ *{_BEGINS}).)+", re.VERBOSE)


def told(text: str) -> str:
    """A text with the last name alone of each whole path in it: `/home/me/runs/demo` is `<demo>`.

    A text that is a path as a whole, or stands in quotes, may have spaces in its names, and be several that are
    joined (`/a/b:/c/d`).
    """
    if _WHOLE.fullmatch(text) and not _COMMAND.search(text):
        return _ONE_OF_SEVERAL.sub(lambda found: f"<{last_name(found[0])}>", text)
    return _IN_TEXT.sub(_told, text)


def last_name(path: str) -> str:
    """The last name of a path, of whatever system."""
    path = unquote(path) if path.startswith("file:") else path
    return re.split(r"[\\/]+", path.rstrip("\\/ "))[-1].strip()


def _told(found: re.Match[str]) -> str:
    if found["kept"] is not None:
        return found[0]
    if found["quoted"] is not None:
        return f"{found['quote']}{told(found['quoted'])}{found['quote']}"
    return f"<{last_name(found[0])}>"

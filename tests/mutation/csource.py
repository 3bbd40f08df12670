"""Finds the mutants of a C file: each changes one operator.

This is a tokenizer, not a parser. It skips comments, strings, preprocessor lines and prefetches, and distinguishes
multiplication from a pointer declarator by type names. Mutants that it gets wrong do not compile, and do not count.
"""
import re
from dataclasses import dataclass

from tests import Mutant


SWAPS = {
    "+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "<<": ">>", ">>": "<<",
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&",
    "+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "++": "--", "--": "++",
}

TOKEN = re.compile(
    r"""(?P<skip>\s+ | //[^\n]* | /\*.*?\*/ | ^[ \t]*\#(?:[^\n\\]|\\.|\\\n)* )
      | (?P<text>"(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*')
      | (?P<number>(?:0[xX][\w.]+(?:[pP][-+]?\d+)?|\.?\d(?:[eE][-+]|[\w.])*))
      | (?P<name>[A-Za-z_]\w*)
      | (?P<op><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[-+*/%&|^~!<>=?:;,.(){}\[\]])""",
    re.X | re.S | re.M,
)

TYPES = {"void", "char", "int", "float", "double", "bool", "size_t", "const", "restrict", "unsigned", "signed", "FILE"}
KEYWORDS = {"return", "case", "else", "do", "sizeof"}


def type_names(texts):
    """The names of types, after which a star declares a pointer."""
    found = set(TYPES)
    for text in texts:
        found.update(re.findall(r"\btypedef\s+(?:struct|enum|union)?\s*(\w+)", text))
        found.update(re.findall(r"\}\s*(\w+);", text))
        found.update(re.findall(r"\b(\w+_t|__m\d+i?|__mmask\d+)\b", text))
    return found


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


def tokens_of(text):
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"character {at} is not C: {text[at:at + 20]!r}")
        if match.lastgroup != "skip":
            found.append(Token(match.lastgroup, match.group(), match.start(), match.end()))
        at = match.end()
    return found


def is_operand_end(token, types):
    """Whether this token ends an operand, so that an operator after it is binary."""
    if token.kind == "name":
        return token.text not in types and token.text not in KEYWORDS
    return token.kind == "number" or token.text in (")", "]")


def closing(tokens, i):
    """The index of the bracket that closes the one at token i."""
    depth = 0
    for j in range(i, len(tokens)):
        depth += {"[": 1, "]": -1}.get(tokens[j].text, 0)
        if depth == 0:
            return j
    raise ValueError("unbalanced bracket")


def mutants_of(file, text, types):
    """Every mutant of a file, in source order."""
    tokens, found, lines = tokens_of(text), [], text.split("\n")
    for i in range(1, len(tokens) - 1):
        before, token = tokens[i - 1], tokens[i]
        line = text.count("\n", 0, token.start) + 1
        if token.kind != "op" or "prefetch" in lines[line - 1]:
            continue
        binary = is_operand_end(before, types)
        if token.text == "[" and binary and tokens[i + 1].text != "]" and not declares(tokens, i - 1, types):
            end = tokens[closing(tokens, i)]
            start, stop = token.end, end.start
            after = f"({text[start:stop]}) + 1"
        elif token.text in SWAPS and (binary or token.text in ("-", "++", "--")):
            start, stop, after = token.start, token.end, SWAPS[token.text]
        else:
            continue
        found.append(Mutant(file, line, start, text[start:stop], after, lines[line - 1].strip()))
    return found


def declares(tokens, i, types):
    """Whether the name at token i is being declared: it follows a type, or a star after one."""
    while i > 0 and tokens[i - 1].text in ("*", "const", "restrict"):
        i -= 1
    return i > 0 and tokens[i - 1].kind == "name" and tokens[i - 1].text in types

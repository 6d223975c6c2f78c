"""Whom a provider's words blame: what was asked for, the operator's account, or nobody whom we can name. Pure.

Codes in the places for codes decide; in free text only whole phrases do, since a fault of the server may hold any word
("too many people", "inappropriate ioctl", "couldn't connect to Hugging Face"). In doubt nobody is blamed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.models import FailureKind
from bot.providers.error_text import Said

_MAX_SENTENCES = 40
_MAX_SENTENCE = 600


def _any(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts), re.IGNORECASE)


# Codes: in a place for codes their parts are enough; anywhere in a text it takes a whole one.
_CODE_OF_RULES = _any(
    r"moderat|sentinel|content[_.:/-]?polic|policy[_.:/-]?violation|content[_.:/-]?filter|content[_.:/-]?block",
    r"safety|(?<!case[_-])(?<!time[_-])(?<!in)sensitive|nsfw|prohibited[_-]?content|guardrail|inappropriate",
    r"rai[_-]?media|data[_-]?inspection|usage[_-]?(?:polic|guideline)|(?:prompt|image|input|output)[_-]?blocked",
)
_CODE_OF_PERSONS = _any(
    r"people[_-]in[_-]user|privacyinformation|real[_-]?(?:person|people|human)", r"public[_-]?figure"
)
_TROUBLE_IN_CODE = _any(r"unavailable|time[_-]?out|overload|busy|internal|server|connection|capacity|rate[_-]?limit")
_KNOWN_RULES = _any(
    r"\b(?:moderation_blocked|sentinel_block|(?:input|output)_moderation|content_policy(?:_violation)?|content_filter)\b",
    r"ContentPolicyViolation|SensitiveContentDetected|raiMediaFiltered|data_?inspection_?failed|nsfw_content_detected",
)
_KNOWN_PERSONS = _any(r"people[\s_-]in[\s_-]user[\s_-]uploads", r"\.PrivacyInformation\b")

# Phrases: a sentence that refuses, and by which rule.
_REFUSES = _any(
    r"\b(?:reject|block|refus|flagged|violat|filtered|den(?:y|ied)|declin|disallow|prohibit|forbid|breach|restrict)",
    r"\btrigger\w* (?:our|the|an?|azure)\b|\btripped|\binterven|\bconflicts? with|\bcontrary to|\bcontraven",
    r"\b(?:goes|go|is|are|was|were) against\b|\b(?:not|n't) (?:be )?(?:allow|permit|accept|compl)",
    r"\b(?:not|fails? to|failed to) (?:meet|pass|comply|follow|adhere|align)\b",
)
_RULES = _any(
    r"content[\s_-]polic(?:y|ies)|policy violation|meet the guidelines|terms of (?:service|use)|(?<!fair )(?:usage|use"
    r"|safety|community|content|platform|generation|our|your) (?:polic(?:y|ies)|guidelines?|standards?|rules)",
    r"(?:safety|moderation|nsfw|content) (?:system|filter|check|classif|review|guardrail|concern|management policy)",
    r"(?<!thread[\s-])(?<!type[\s-])(?<!memory[\s-])safety (?:reason|violation)|content violation|\bguardrails?\b",
    r"\bmoderation\b(?! (?:queue|service|api|endpoint|server|backend|request|worker|model|job)s?\b)|responsible ai",
    r"third[- ]party content|\b(?:nudity|sexual|graphic violence|self-harm|hate speech|copyright)",
)
_RULES_ALONE = re.compile(
    r"\W*(?:(?:our|the|violates?|breaks?|against) )*(?:content[\s_-]?polic(?:y|ies)|policy violation|guardrails?"
    r"|moderation|(?:usage|community|safety|content)[\s_-](?:polic(?:y|ies)|guidelines?))(?:[\s_]violat(?:ion|ed))?\W*",
    re.IGNORECASE,
)
_UNFIT = (
    r"(?:(?<!-)(?<!case )(?<!time )(?<!in)sensitive|inappropriate|unsafe|nsfw|prohibited|harmful|offensive"
    r"|objectionable|disallowed|not safe for work)"
    r"(?!\s(?:to\b|char|value|param|field|type|size|format|dimension|key|token|aspect|resolution|number|pointer))"
)
_SAYS_UNFIT = _any(
    rf"\b(?:{_UNFIT}|explicit|illegal) (?:content|material|imagery|words|information)\b"
    r"(?![\s_-](?:type|length|encoding|size|range))",
    rf"\b(?:prompt|image|picture|photo|content|video|input|output|text|media|it)s?\b[^,:]{{0,30}}?"
    rf"\b(?:is|are|was|were|be|as|contains?|contained|containing)\b[^,:]{{0,30}}?\b{_UNFIT}(?=[\s.,;:!)]|$)",
    r"敏感(?:词|内容|信息)|违规|审核(?:未|不)通过",
)
_OF = r"(?:(?:a|an|any|the|real|actual|human|identifiable|recogni[sz]able|visible|living|two|more|or|multiple)\s+){0,4}"
_WHO = (
    r"(?:(?:persons?|people|faces|individuals|celebrit(?:y|ies)|public figures?|minors|children)\b(?![-\u2010.]\w)"
    r"|(?:face|humans?)\b(?=\s*$|\s*[.,;:!)]|\s(?:is|are|was|were|in|and|or|which|that|of|not|at|on|but|due|because)\b))"
)
_SHOWS_PERSON = _any(
    r"\b(?:image|picture|photo|upload|input|frame|reference|media|video|content|prompt)s?\b"
    rf"(?:[^.]{{0,40}}?\b(?:contain|show|depict|includ|featur|portray)\w*\s|\s(?:with|of|has|have)\s)\s*{_OF}{_WHO}",
    rf"\b{_WHO}\s+(?:(?:is|are|was|were|has been|have been)\s+)?(?:currently\s+)?"
    r"(?:detected|not (?:yet )?(?:allowed|supported|permitted|accepted)"
    r"|prohibited|forbidden|disallowed|rejected|refused)",
    r"\b(?:detected|recogni[sz]ed|do(?:es)? not (?:allow|support|accept|animate)|cannot animate|can't animate)\s+"
    rf"{_OF}{_WHO}",
    r"\bfaces?[\s_-]detected\b|\blikeness of\b|third[- ]party likeness",
)
_REAL_PERSON = _any(
    r"\b(?:real|actual|identifiable) (?:person|people|humans?|individuals?)\b|\bhuman faces?\b|\blikeness\b"
)

_TROUBLE = _any(
    r"\bunavailable\b|\btimed?[\s-]?out\b|overload|unreachable|\bcapacity\b|rate limit|out of memory|\bcuda\b",
    r"(?:could ?n[o']t|cannot|can't|unable to|failed to|failure to) (?:be )?"
    r"(?:connect|reach|load|start|fetch|open|download|initiali|resolve|import|find|read|write|allocat|parse)",
    r"connection (?:refused|error|reset|closed)|internal (?:server )?error|\bioctl\b|\berrno\b|no such file",
    r"not installed|too many|\bmaintenance\b|\bcrash|\bshed\b|\btraceback\b|\bpassed\b|\bqueue",
    r"service (?:error|failed|failure|down|is down)",
    r"not (?:been )?(?:rejected|blocked|flagged|violat)",
    r"\bno (?:content|policy|moderation|safety|faces?|person|people)\b",
    r"\b(?:disabled|misconfigured|not configured|returned (?:an error|5\d\d|status))\b|\bbad gateway\b|try again later",
)
_ACCOUNT = {
    FailureKind.KEY: _any(
        r"\b(?:invalid_api_key|api_key_invalid|no_db_connection|invalid_authentication|authentication_error|expired_key)\b",
        r"\b(?:incorrect|invalid|expired) api[ _-]?key\b|api key (?:is )?(?:not valid|invalid|expired)|no connected db",
    ),
    FailureKind.BALANCE: _any(
        r"insufficient[\s_-](?:user[\s_-])?(?:balance|quota|funds|credit)|billing[\s_-]hard[\s_-]limit|billing_not_active",
        r"\bbudget[\s_](?:has been )?exceeded|exceeded[\s_]?budget|not enough (?:credit|balance|funds)|out of credits",
        r"balance (?:is )?(?:too low|not enough|insufficient|exhausted)|credits? (?:exhausted|depleted)",
        r"quota_not_enough|exhausted balance",
    ),
    FailureKind.MODEL: _any(
        r"model[\s_-]not[\s_-]found|no such model|unknown model|invalid model name|model mismatch|not a valid model",
        r"model .{0,80}(?:does not exist|not found|(?:has been|is|was) (?:retired|deprecated|decommissioned|removed))",
        r"no available channel for model|invalid_model\b|model_not_(?:available|supported|exist)",
    ),
}


def of_the_request(said: Said, *, is_busy: bool) -> FailureKind | None:
    """PERSON or MODERATED where it is said that the prompt, the picture or the result was refused, else None.

    `is_busy`: the status speaks of load, so that a rule that is merely named says nothing.
    """
    codes = [code for code in said.codes if not _TROUBLE_IN_CODE.search(code)]
    if any(map(_CODE_OF_PERSONS.search, codes)) or _KNOWN_PERSONS.search(said.text):
        return FailureKind.PERSON
    found = FailureKind.MODERATED if any(map(_CODE_OF_RULES.search, codes)) else None
    if _KNOWN_RULES.search(said.text):
        found = FailureKind.MODERATED
    for piece in said.pieces:
        if not is_busy and _RULES_ALONE.fullmatch(piece):
            found = FailureKind.MODERATED
        for sentence in _sentences(piece):
            if _SHOWS_PERSON.search(sentence) or (_REFUSES.search(sentence) and _REAL_PERSON.search(sentence)):
                return FailureKind.PERSON
            if _refuses_by_rule(sentence):
                found = FailureKind.MODERATED
    return found


def is_about(kind: FailureKind, said: Said) -> bool:
    """Whether key, balance or model are named in so many words."""
    return _ACCOUNT[kind].search(said.text) is not None


def _refuses_by_rule(sentence: str) -> bool:
    if _SAYS_UNFIT.search(sentence):
        return True
    return _RULES.search(sentence) is not None and (
        _REFUSES.search(sentence) is not None or "violation" in sentence.lower()
    )


def _sentences(text: str) -> Iterator[str]:
    """Those that do not tell of a fault of the server."""
    for sentence in re.split(r"(?<=[.!?;])\s+|\n+", text)[:_MAX_SENTENCES]:
        if not _TROUBLE.search(sentence[:_MAX_SENTENCE]):
            yield sentence[:_MAX_SENTENCE]

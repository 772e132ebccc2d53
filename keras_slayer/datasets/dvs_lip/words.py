"""The classes of DVS-Lip, in the order of the alphabet, as the authors number them."""

WORDS = (
    "accused", "action", "allow", "allowed", "america", "american", "another", "around",
    "attacks", "banks", "become", "being", "benefit", "benefits", "between", "billion",
    "called", "capital", "challenge", "change", "chief", "couple", "court", "death",
    "described", "difference", "different", "during", "economic", "education", "election",
    "england", "evening", "everything", "exactly", "general", "germany", "giving", "ground",
    "happen", "happened", "having", "heavy", "house", "hundreds", "immigration", "judge",
    "labour", "leaders", "legal", "little", "london", "majority", "meeting", "military",
    "million", "minutes", "missing", "needs", "number", "numbers", "paying", "perhaps", "point",
    "potential", "press", "price", "question", "really", "right", "russia", "russian", "saying",
    "security", "several", "should", "significant", "spend", "spent", "started", "still",
    "support", "syria", "syrian", "taken", "taking", "terms", "these", "thing", "think",
    "times", "tomorrow", "under", "warning", "water", "welcome", "words", "worst", "years",
    "young",
)  # fmt: skip

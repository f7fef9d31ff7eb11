"""The words of the demo's world of text, by their part in it.

Each pair of tuples holds words that pre-training asks about, then words that it mostly only reads:
what these mean has to be learnt from their company, or by fine-tuning.
"""

from __future__ import annotations

TOPICS = ("crime", "romance", "history", "space", "nature", "sport")
POLARITIES = ("negative", "positive")

# What reviews are about: of each domain the thing itself, then its parts.
DOMAINS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "plays": (
        ("play", "drama", "performance"),
        ("stage", "act", "costume", "dialogue", "ensemble", "lighting", "curtain", "audience"),
    ),
    "songs": (
        ("song", "album", "ballad"),
        ("chorus", "singer", "melody", "rhythm", "guitar", "voice", "lyric", "drum"),
    ),
    "games": (
        ("game", "puzzle", "quest"),
        ("level", "player", "graphics", "menu", "map", "hero", "mission", "score"),
    ),
    "podcasts": (
        ("podcast", "broadcast", "interview"),
        ("host", "guest", "question", "topic", "sound", "intro", "segment", "jingle"),
    ),
    "paintings": (
        ("painting", "exhibition", "portrait"),
        ("canvas", "frame", "colour", "brush", "gallery", "sketch", "light", "figure"),
    ),
    "books": (
        ("book", "novel", "paperback"),
        ("chapter", "page", "author", "prose", "plot", "narrator", "cover", "sentence"),
    ),
    "films": (
        ("film", "movie", "feature"),
        ("scene", "actor", "director", "camera", "screenplay", "soundtrack", "trailer", "cast"),
    ),
}
PRETRAINING_DOMAINS = ("plays", "songs", "games", "podcasts", "paintings")

ADJECTIVES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "positive": (
        ("good", "great", "wonderful", "excellent", "lovely", "brilliant", "delightful",
         "charming", "superb", "enjoyable", "fresh", "memorable", "elegant", "clever"),
        ("gripping", "lyrical", "insightful", "witty", "vivid", "tender", "stunning",
         "thrilling", "hilarious", "moving", "magnetic", "dazzling", "subtle", "graceful"),
    ),
    "negative": (
        ("bad", "poor", "terrible", "awful", "boring", "dull", "weak", "horrible", "tired",
         "annoying", "ugly", "forgettable", "clumsy", "stupid"),
        ("tedious", "wordy", "bloated", "predictable", "shallow", "cheesy", "noisy",
         "lifeless", "muddled", "pretentious", "flat", "sloppy", "dreary", "hollow"),
    ),
}  # fmt: skip
TOPIC_WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "crime": (
        ("murder", "thief", "detective", "police", "robbery", "prison", "killer"),
        ("alibi", "suspect", "clue", "inspector", "heist", "forgery", "ransom"),
    ),
    "romance": (
        ("love", "kiss", "wedding", "bride", "passion", "sweetheart", "marriage"),
        ("suitor", "courtship", "jealousy", "engagement", "heartbreak", "affair", "vow"),
    ),
    "history": (
        ("king", "empire", "ancient", "queen", "medieval", "battle", "castle"),
        ("dynasty", "crusade", "pharaoh", "treaty", "monk", "archive", "conquest"),
    ),
    "space": (
        ("planet", "rocket", "alien", "galaxy", "astronaut", "moon", "comet"),
        ("orbit", "asteroid", "nebula", "starship", "satellite", "gravity", "crater"),
    ),
    "nature": (
        ("forest", "river", "mountain", "bear", "flower", "ocean", "bird"),
        ("glacier", "meadow", "otter", "reef", "canyon", "orchid", "falcon"),
    ),
    "sport": (
        ("football", "match", "race", "team", "champion", "goal", "coach"),
        ("sprinter", "referee", "medal", "boxer", "league", "stadium", "marathon"),
    ),
}

# Kinds of things, for the control task.
KINDS: dict[str, tuple[str, ...]] = {
    "animal": ("cat", "dog", "horse", "sheep", "goat", "rabbit", "mouse", "wolf", "tiger", "pig",
               "donkey", "camel", "monkey", "fox"),
    "fruit": ("apple", "pear", "plum", "cherry", "banana", "lemon", "grape", "peach", "mango",
              "melon", "fig", "orange", "apricot", "berry"),
    "tool": ("hammer", "saw", "drill", "wrench", "shovel", "axe", "chisel", "ladder", "rake",
             "pliers", "screwdriver", "knife", "file", "anvil"),
    "vehicle": ("car", "bus", "truck", "bicycle", "train", "tram", "boat", "ferry", "van", "plane",
                "scooter", "tractor", "taxi", "canoe"),
    "garment": ("shirt", "coat", "hat", "scarf", "glove", "sock", "skirt", "jacket", "sweater",
                "belt", "vest", "boot", "dress", "cap"),
    "furniture": ("table", "chair", "sofa", "desk", "shelf", "bed", "stool", "cupboard", "bench",
                  "wardrobe", "lamp", "mirror", "cabinet", "armchair"),
}  # fmt: skip
PLACES = ("kitchen", "garden", "garage", "attic", "hall", "cellar", "office", "yard", "barn",
          "workshop", "museum", "market")  # fmt: skip
NAMES = ("anna", "ben", "clara", "david", "emma", "felix", "grace", "henry", "iris", "jack", "kate",
         "leo", "mia", "noah", "olga", "paul")  # fmt: skip
COLOURS = ("red", "blue", "green", "yellow", "black", "white", "brown", "grey")
INTENSIFIERS = ("very", "really", "quite", "so", "truly", "rather")
FILLERS = (
    "we went there with friends", "it lasted two hours", "a friend lent it to me",
    "it came out last year", "everybody talks about it these days", "it rained all day",
    "i bought it on monday", "my sister came too", "there are two versions of it",
    "it starts in the morning", "i had tea afterwards", "the train was late that evening",
)  # fmt: skip

from .corpus import NOTICE as NOTICE
from .corpus import make_demo_corpus as make_demo_corpus
from .corpus import plan_takes as plan_takes

import sys
from pathlib import Path

# The tiny models and the oracle stand in modules beside the tests.
sys.path.insert(0, str(Path(__file__).parent))

import sys
from pathlib import Path

# The oracle and the table of situations stand in modules beside the tests.
sys.path.insert(0, str(Path(__file__).parent))

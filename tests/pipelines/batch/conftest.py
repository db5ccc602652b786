import sys
from pathlib import Path

# Workers are other processes: what they are to run must be found by its name there too.
sys.path.insert(0, str(Path(__file__).parent))

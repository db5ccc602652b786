import sys
from pathlib import Path

# What several of these tests need stands in modules beside them.
sys.path.insert(0, str(Path(__file__).parent))

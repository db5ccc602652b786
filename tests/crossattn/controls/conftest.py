import sys
from pathlib import Path

# What several of these tests need stands in a module beside them, tiny_pictures.
sys.path.insert(0, str(Path(__file__).parent))

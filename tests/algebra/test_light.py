import subprocess
import sys


def test_algebra_and_merge_load_no_torch():
    code = "import sys, lorarium.algebra, lorarium.mergers; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

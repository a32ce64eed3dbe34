import subprocess
import sys


def test_algebra_and_merge_load_no_torch():
    code = "import sys, lorarium.algebra, lorarium.merge; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

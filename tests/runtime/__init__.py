"""Real parts to run a function against: AWS's emulator, a Lambda that freezes, collectors, AWS services.

Everything listens on free ports of the loopback interface, is bounded in time, and stops with its ``with`` block.
"""

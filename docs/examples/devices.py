"""Devices: registers, each access exactly one of its width. A file stands for
the device here."""
import mapped

with open("device.bin", "wb"):
    pass
with mapped.open("device.bin", "r+", length=4096, device=True) as device:
    device.set("<I", 0x10, 1)  # one store of 4 bytes
    assert device.get("<I", 0x10) == 1
    registers = device.cast("<I")
    registers[5] = 7

"""Memory for worker processes: it travels by reference."""
import multiprocessing
import pickle

import mapped


def double(numbers):
    for i, number in enumerate(numbers):
        numbers[i] = 2 * number


def main():
    with mapped.open("samples.bin", "w+", length=80_000) as region:
        samples = region.cast("d")
        samples[:] = range(10_000)
        assert len(pickle.dumps(samples)) < 1000
        pieces = [samples[i:i + 2500] for i in range(0, 10_000, 2500)]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            pool.map(double, pieces)
        assert samples[9999] == 2 * 9999


if __name__ == "__main__":
    main()

"""Writes and reads a config file with pycapnp, as an author who has only the schema would.

usage: interop.py write|read SCHEMA FILE
"""

import json
import sys
import zlib

import capnp

capnp.remove_import_hook()


def write(schema, path):
    spec = schema.MetricsServiceSpec.new_message(httpPort=9999, bindAddress="127.0.0.1")
    specs = spec.init("metricSpecs")
    counter = specs.init("counterSpecs", 1)[0]
    counter.serviceId, counter.metricId, counter.help = 0xCE1F32C680E1EF0B, 2**64 - 1, "Grüße."
    vector = specs.init("histogramVectorSpecs", 1)[0]
    vector.metricSpec = {"serviceId": 1, "metricId": 2, "help": "Seconds.", "buckets": [0.005, 0.1, 2.5]}
    vector.labelNames = ["method", "outcome"]
    with open(path, "wb") as file:
        file.write(zlib.compress(spec.to_bytes_packed()))


def read(schema, path):
    with open(path, "rb") as file:
        packed = zlib.decompress(file.read())
    spec = schema.MetricsServiceSpec.from_bytes_packed(packed)
    print(json.dumps(spec.to_dict(), sort_keys=True, ensure_ascii=True))


if __name__ == "__main__":
    action, schema_file, file_path = sys.argv[1:]
    {"write": write, "read": read}[action](capnp.load(schema_file), file_path)

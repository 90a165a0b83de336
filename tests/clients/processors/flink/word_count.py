"""The word count of the founding documents by PyFlink, from a topic of lines to a topic of counts, exactly once.

The Python interface gives a record no key of its own, so each record is "word count". Arguments, commands and answers are those of
WordCount.java beside it; `program.jars` names the connector.
"""

import sys
import time

from pyflink.common import Configuration, SimpleStringSchema, Types, WatermarkStrategy
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.connectors.base import DeliveryGuarantee
from pyflink.datastream.connectors.kafka import (
    KafkaOffsetsInitializer, KafkaRecordSerializationSchema, KafkaSink, KafkaSource)
from pyflink.java_gateway import get_gateway


def main(path):
    with open(path, encoding="utf-8") as file:
        settings = dict(line.rstrip("\n").split("=", 1) for line in file)
    configuration = Configuration()
    for key, value in below("flink.", settings).items():
        configuration.set_string(key, value)
    configuration.set_string("python.executable", sys.executable)
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    env.add_jars(settings["program.jars"])
    build(env, settings)
    serve(env.execute_async("word count"))


def build(env, settings):
    source = KafkaSource.builder() \
        .set_topics(settings["program.lines"]) \
        .set_properties(below("source.", settings)) \
        .set_starting_offsets(KafkaOffsetsInitializer.earliest()) \
        .set_value_only_deserializer(SimpleStringSchema()) \
        .build()
    pair = Types.TUPLE([Types.STRING(), Types.INT()])
    text = env.from_source(source, WatermarkStrategy.no_watermarks(), "lines").uid("lines")
    counts = text.flat_map(lambda line: [(word, 1) for word in line.split()], output_type=pair).uid("words") \
        .key_by(lambda one: one[0], key_type=Types.STRING()) \
        .reduce(lambda sum, one: (sum[0], sum[1] + one[1])).uid("counts")
    told = counts.map(lambda one: f"{one[0]} {one[1]}", output_type=Types.STRING()).uid("told")
    builder = KafkaSink.builder() \
        .set_bootstrap_servers(settings["sink.bootstrap.servers"]) \
        .set_delivery_guarantee(DeliveryGuarantee.EXACTLY_ONCE) \
        .set_transactional_id_prefix(settings["program.prefix"]) \
        .set_record_serializer(KafkaRecordSerializationSchema.builder()
                               .set_topic(settings["program.counts"])
                               .set_value_serialization_schema(SimpleStringSchema())
                               .build())
    for key, value in below("sink.", settings).items():
        builder = builder.set_property(key, value)
    told.sink_to(builder.build()).uid("sink")


def serve(job):
    """Answers commands until the job has ended."""
    while job.get_job_status().result().name != "RUNNING":
        time.sleep(0.02)
    print("running", flush=True)
    for command in sys.stdin:
        word, folder = command.split()
        assert word == "stop", command
        print(stop_with_savepoint(job, folder), flush=True)


def stop_with_savepoint(job, folder):
    """The path of the savepoint. JobClient's own function calls a method that Java's no longer has."""
    form = get_gateway().jvm.org.apache.flink.core.execution.SavepointFormatType.CANONICAL
    return job._j_job_client.stopWithSavepoint(False, folder, form).get()


def below(prefix, settings):
    """The settings whose names begin with the prefix, without it."""
    return {key[len(prefix):]: value for key, value in settings.items() if key.startswith(prefix)}


if __name__ == "__main__":
    main(sys.argv[1])

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
from pyflink.datastream.functions import KeyedProcessFunction
from pyflink.datastream.state import ValueStateDescriptor
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
    text = env.from_source(source, WatermarkStrategy.no_watermarks(), "lines").uid("lines")
    told = text.flat_map(lambda line: line.split(), output_type=Types.STRING()).uid("words") \
        .key_by(lambda word: word, key_type=Types.STRING()) \
        .process(Count(), output_type=Types.STRING()).uid("counts")
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


class Count(KeyedProcessFunction):
    """Counts a word. PyFlink's own `reduce` gives its state a random name, so that a program which is restored counts from 1 again."""

    def open(self, runtime_context):
        self.count = runtime_context.get_state(ValueStateDescriptor("count", Types.INT()))

    def process_element(self, word, context):
        count = (self.count.value() or 0) + 1
        self.count.update(count)
        yield f"{word} {count}"


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

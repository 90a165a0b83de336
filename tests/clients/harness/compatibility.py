"""The README's table of clients, made by the run of all suites: what each client was seen to do.

A whole run against Ottla compares the table with what it saw, and fails if they differ; with OTTLA_GENERATE=1 it writes it.
"""

import os
import pathlib
import re

from .drivers import CLIENTS

README = pathlib.Path(__file__).parents[3] / "README.md"
BEGIN, END = "<!-- clients: written by `make clients` -->\n", "<!-- clients: end -->\n"

# The columns, and the tests that fill them.
COLUMNS = {
    "round trip": {"test_is_acknowledged_at_the_next_offsets", "test_comes_back_byte_for_byte"},
    "producer": {"test_acks", "test_idempotent_producer", "test_a_topic_is_created_by_the_first_record", "test_max_message_bytes"},
    "consumer": {"test_seek_and_ends", "test_offsets_for_times", "test_pause_and_resume", "test_a_consumer_waits_for_what_comes",
                 "test_larger_than_a_fetch"},
    "groups": {"test_commit_without_membership", "test_the_survivor_takes_over_where_the_dead_member_committed",
               "test_members_join_and_leave", "test_a_restart_of_the_broker_is_no_rebalance"},
    # Offsets are sent by those who have a call for it; franz-go sends them when it copies.
    "transactions": {"test_commit_and_abort", "test_an_open_transaction_is_not_read", "test_a_second_instance_fences_the_first",
                     "test_offsets_go_with_their_transaction", "test_a_copy_is_the_original",
                     "test_a_transaction_goes_on_after_a_kill_of_the_broker", "test_what_is_left_open_ends_by_its_timeout"},
    "admin": {"test_topics_from_creation_to_deletion", "test_delete_group", "test_alter_config", "test_delete_records", "test_log_dirs",
              "test_cluster", "test_elect_leaders", "test_delete_offsets", "test_reassignments", "test_acls_without_an_authorizer"},
    # Each asked of those only who have it.
    "maintenance": {
        "test_check_topic", "test_check_partitions", "test_check_config", "test_replace_configs", "test_reset_config",
        "test_append_and_subtract_config", "test_list_topics_with_their_configs", "test_broker_configs",
        "test_acls_cannot_be_changed_without_an_authorizer", "test_describe_topic", "test_topic_ids", "test_topics_by_id", "test_list_offsets",
        "test_group_offsets", "test_set_group_offset", "test_reset_group_offset", "test_remove_member", "test_groups_in_state",
        "test_groups_of_type", "test_coordinator", "test_lag", "test_group_offsets_by_topic_id", "test_reassign", "test_producers",
        "test_features", "test_quorum", "test_metrics_subscriptions", "test_client_instance_id", "test_replica_log_dir", "test_end_of_epoch"},
    "refusals": {"test_invalid_topics", "test_groups_that_cannot_be_deleted", "test_missing_offsets",
                 "test_missing_committed_offset", "test_missing_committed_offset_and_the_end",
                 "test_commit_by_a_client_that_is_no_member", "test_missing_topic",
                 "test_session_timeout_below_the_minimum", "test_missing_group"},
}
# Whole programs, by the folder that their tests are in.
PROGRAMS = {"tools": "Kafka's command-line tools 4.3.0", "streams": "Kafka Streams 4.3.0", "connect": "Kafka Connect 4.3.0, distributed"}


def client_of(item):
    """The client that a test is about; None for those about no one."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    return params.get("client") or params.get("reader") or params.get("writer")


class Table:
    """Counts outcomes as the workers report them."""

    def __init__(self):
        self.outcomes = {}  # (row, column) -> [passed, skipped, failed]

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and report.outcome == "passed":
            return
        client = dict(report.user_properties).get("client")
        test = report.nodeid.split("::")[1].split("[")[0]
        folder = report.nodeid.split("/")[0]
        column = next((column for column, tests in COLUMNS.items() if test in tests), None)
        if client and column:
            self.count(client, column, report.outcome)
        elif folder in PROGRAMS:
            self.count(PROGRAMS[folder], "", report.outcome)

    def count(self, row, column, outcome):
        counts = self.outcomes.setdefault((row, column), [0, 0, 0])
        counts[("passed", "skipped", "failed").index(outcome)] += 1

    def cell(self, row, column):
        passed, skipped, failed = self.outcomes.get((row, column), [0, 0, 0])
        if failed or not passed:
            return f"{failed} failed" if failed else "–"
        return f"{passed} of {passed + skipped}" if skipped else "✓"

    def text(self):
        """The table: a row per client, then the programs that passed."""
        rows = [["client", *COLUMNS], ["---"] * (len(COLUMNS) + 1)]
        rows += [[display(client), *(self.cell(client, column) for column in COLUMNS)] for client in CLIENTS]
        rows += [[name, self.cell(name, ""), *[""] * (len(COLUMNS) - 1)] for name in PROGRAMS.values()]
        return "".join(f"| {' | '.join(row)} |\n" for row in rows)

    def pytest_sessionfinish(self, session):
        readme = README.read_text()
        before, rest = readme.split(BEGIN)
        written, after = rest.split(END)
        if written == self.text():
            return
        if os.environ.get("OTTLA_GENERATE"):
            README.write_text(before + BEGIN + self.text() + END + after)
        else:
            print(f"\nREADME.md's table of clients is not what this run saw (`OTTLA_GENERATE=1 make clients` writes it):\n{self.text()}")
            session.exitstatus = session.exitstatus or 1


def display(client):
    name, version = re.fullmatch(r"(.*?)-?(\d[\d.]*(?:-as-.*)?)?", client).groups()
    named = {"java": "Java (kafka-clients)", "kafka-go": "kafka-go (segmentio)", "kcat": "kcat 1.7.1 (librdkafka)",
             "confluent-kafka": "confluent-kafka (librdkafka)", "kafka-javascript": "@confluentinc/kafka-javascript (librdkafka)",
             "kafkajs": "KafkaJS", "sarama": "Sarama"}.get(name, name)
    return f"{named} {version or ''}".replace("-as-", ", `Version` ").strip()

# Everything a person or CI does with this checkout. The logic lives in tools/, one script per target.
.PHONY: run test check bench binary generate clients test-clients test-processors model mutants rig acls quotas words figures help
help:
	@sed -n 's/^## //p' Makefile

## make run        install what is missing, build, start the broker in the foreground (ARGS="--listen 127.0.0.1:9092"; SECURE=1 with TLS and logins)
run:
	@SECURE=$(SECURE) exec tools/run.sh $(ARGS)

## make -s binary  print the path of the release binary, built if need be
binary:
	@exec tools/binary.sh

## make test       all that CI runs: check, the client suites, the rig, the container
test:
	@exec tools/test.sh

## make check      formatting, lints, docs, dependencies, generated files, Rust tests
check:
	@exec tools/check.sh

## make clients    stock clients against the release binary (ONLY="python java c go node streams connect processors": of these alone)
clients test-clients:
	@exec tools/clients.sh $(addprefix --only=,$(ONLY))

## make test-processors  stream processors exactly once, in full, the broker and they killed (ARGS="processors/test_copy.py" for some)
test-processors:
	@exec tools/processors.sh $(ARGS)

## make model      2 000 random walks of the storage against a model, with crashes (OTTLA_SEEDS=10000, OTTLA_SEED=7 for one)
model:
	@exec tools/model.sh

## make mutants    breaks the storage, the coordinators and the broker on purpose, one way at a time: a test must notice each (ARGS="pointer fence" for some)
mutants:
	@exec tools/mutants.sh $(ARGS)

## make fuzz       every fuzz target for 60 seconds (OTTLA_FUZZ_SECONDS=600, ARGS="request batch")
fuzz:
	@exec tools/fuzz.sh $(ARGS)

## make rig        the same generated requests to Ottla and to Apache Kafka, answers compared (ARGS="--seeds 100")
rig:
	@exec tools/rig.sh $(ARGS)

## make acls       random ACLs and questions to Ottla's and to Apache Kafka's authorizer, decisions compared (OTTLA_ACL_SEEDS=5000)
acls:
	@exec tools/acls.sh

## make quotas     random uses of quotas by Ottla's model and by Apache Kafka's managers, throttle times compared (OTTLA_QUOTA_SEEDS=2500)
quotas:
	@exec tools/quotas.sh

## make bench      loads on Ottla and Apache Kafka in turn, and the ratios (ARGS="--pairs 3 produce-1k end-to-end")
bench:
	@exec tools/bench.sh $(ARGS)

## make generate   rewrite the generated files
generate:
	@exec tools/generate.sh

## make words      counts the words that CONTRIBUTING.md advises against (ARGS="--list crates/codec" shows each)
words:
	@exec tools/words.py $(ARGS)

## make figures    lines per function and file, docs and comments per 100 lines of code (ARGS=crates/codec)
figures:
	@exec tools/figures.py $(ARGS)

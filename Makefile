# The commands people type. Variables: STACK, CONFIG ("key=value …"), CLUSTER, NODES, and for a cluster of your own
# CONTEXT and KUBECONFIG, which count only when given on the command line.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# A kubeconfig that happens to be in the environment names no cluster.
ifneq ($(origin KUBECONFIG),command line)
KUBECONFIG :=
endif
ifneq ($(origin CONTEXT),command line)
CONTEXT :=
endif
unexport KUBECONFIG

INSTALLED := node_modules/.package-lock.json
TOOLS = node -r ./tools/register.cjs tools/main.ts
OPTIONS = --stack "$(STACK)" --cluster "$(CLUSTER)" --nodes "$(NODES)" --context "$(CONTEXT)" --kubeconfig "$(KUBECONFIG)" --config "$(CONFIG)"

.PHONY: help up preview destroy cluster cluster-down cluster-status images images-down doctor test lint types format bench clean

help: ## Show the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

up: $(INSTALLED) ## Bring up a scenario (STACK=ch02-topz) with all it needs
	@$(TOOLS) up $(OPTIONS)

preview: $(INSTALLED) ## Show what up would change; needs no cluster
	@$(TOOLS) preview $(OPTIONS)

destroy: $(INSTALLED) ## Remove a scenario
	@$(TOOLS) destroy $(OPTIONS)

cluster: $(INSTALLED) ## Bring up the local cluster (CLUSTER=dev NODES=1), or mend it
	@$(TOOLS) cluster $(OPTIONS)

cluster-down: $(INSTALLED) ## Remove the local cluster and all on it
	@$(TOOLS) cluster-down $(OPTIONS)

cluster-status: $(INSTALLED) ## Say what of the local cluster runs
	@$(TOOLS) cluster-status $(OPTIONS)

images: $(INSTALLED) ## Build and push the images, and write down their digests
	@$(TOOLS) images

images-down: $(INSTALLED) ## Stop the registry and the Docker engine that were started here
	@$(TOOLS) images-down

doctor: $(INSTALLED) ## Say which route this machine takes and what is missing
	@$(TOOLS) doctor $(OPTIONS)

lint: $(INSTALLED) ## Check style
	@npm run --silent lint

types: $(INSTALLED) ## Check types
	@npm run --silent types

format: $(INSTALLED) ## Format all files
	@npm run --silent format

test: $(INSTALLED) ## Run every check; ends with "N passed, N failed, N skipped"
	@node -r ./tools/register.cjs tests/run.ts

test-%: $(INSTALLED)
	@node -r ./tools/register.cjs tests/run.ts $* $(STACK)

bench: $(INSTALLED) ## Measure speed and write the table
	@node -r ./tools/register.cjs tests/bench/run.ts

clean: ## Remove what the checkout can make again
	@rm -rf node_modules images/*/dist images/digests.json

# Node must be there before anything of ours can run.
$(INSTALLED): package.json package-lock.json components/package.json images/package.json
	@node -e 'const [a,b]=process.versions.node.split(".").map(Number); process.exit(a>20||(a==20&&b>=19)?0:1)' 2>/dev/null \
		|| { echo "error: Node 20.19 or newer is missing; install it from https://nodejs.org or your distribution" >&2; exit 1; }
	@echo "installing npm packages (usually 30 s)" >&2
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $(INSTALLED)

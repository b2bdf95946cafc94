import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";

import { createContext } from "../../stacks/context";
import { ScenarioOutputs, scenarios } from "../../stacks/registry";
import { listOf, only, Recorded, recordResources, settled, valueOf } from "../support/mocks";

const project = parse(readFileSync(join(__dirname, "../../Pulumi.yaml"), "utf8"));
/** What the CLI hands a stack that sets nothing. */
const defaults = Object.fromEntries(
    Object.entries<any>(project.config).map(([key, { default: value }]) => [
        key,
        typeof value === "string" ? value : JSON.stringify(value),
    ]),
);
const reference = (name: string) => `r.example.com/${name}@sha256:${"1".repeat(64)}`;
const images = JSON.stringify(
    Object.fromEntries(
        ["bootstrap", "certificate-agent", "legacy-service", "topz"].map((name) => [name, reference(name)]),
    ),
);

interface Deployed {
    recorded: Recorded[];
    outputs: ScenarioOutputs;
    warnings: string[];
}

const log = pulumi.log as { warn: typeof pulumi.log.warn };
const warn = log.warn;

/** A scenario run on mocks, as the CLI would with this configuration. */
async function deploy(scenario: string, config: Record<string, string> = {}, preview = false): Promise<Deployed> {
    const recorded = await recordResources({ stack: scenario, preview, config: { ...defaults, ...config } });
    const warnings: string[] = [];
    log.warn = async (message) => void warnings.push(message);
    try {
        const { run } = await scenarios[scenario]();
        const outputs = run(await createContext());
        await settled();
        return { recorded, outputs, warnings };
    } finally {
        log.warn = warn;
    }
}

describe("stacks", () => {
    // No digests of images that happen to be built on this machine.
    const home = process.cwd();
    let directory: string;
    before(() => {
        directory = mkdtempSync(join(tmpdir(), "stacks-"));
        process.chdir(directory);
    });
    after(() => {
        process.chdir(home);
        rmSync(directory, { recursive: true });
    });

    for (const scenario of Object.keys(scenarios)) {
        describe(scenario, () => {
            it("deploys into a namespace of its own that admits restricted pods only, through one provider", async () => {
                const { recorded, outputs } = await deploy(scenario, { context: "lab", images });
                const { name, labels } = only(recorded, "kubernetes:core/v1:Namespace").metadata;
                assert.equal(name, scenario);
                assert.equal(labels["pod-security.kubernetes.io/enforce"], "restricted");
                assert.equal(await valueOf(outputs.namespace), scenario);
                for (const { type, inputs, provider } of recorded) {
                    if (!type.startsWith("kubernetes:")) continue;
                    assert.equal(provider, "kubernetes", type);
                    if (type !== "kubernetes:core/v1:Namespace")
                        assert.equal(inputs.metadata.namespace, scenario, type);
                }
            });

            it("tells endpoints and a command to try, on the cluster it is deployed to", async () => {
                const { outputs } = await deploy(scenario, { context: "my lab", kubeconfig: "/tmp/kube", images });
                const { endpoints, tryIt } = await valueOf(pulumi.output(outputs as pulumi.Input<ScenarioOutputs>));
                const urls = Object.values(endpoints) as string[];
                assert.ok(urls.length > 0);
                for (const url of urls) assert.match(url, new RegExp(`^https?://[a-z]+\\.${scenario}\\.svc`));
                assert.match(String(tryIt), /^kubectl --kubeconfig=\/tmp\/kube --context='my lab' /);
            });

            it("previews without cluster and images, with one warning for each", async () => {
                const { recorded, warnings } = await deploy(scenario, {}, true);
                assert.deepEqual(
                    warnings.map((warning) => /context|make images/.exec(warning)?.[0]),
                    ["context", "make images"],
                );
                const { kubeconfig, context } = only(recorded, "pulumi:providers:kubernetes");
                assert.equal(context, undefined);
                assert.deepEqual(JSON.parse(kubeconfig).clusters, [], "not the cluster that kubectl points at");
                const { containers } = only(recorded, "kubernetes:apps/v1:Deployment").spec.template.spec;
                assert.equal(
                    containers[0].image,
                    `127.0.0.1:5001/distributed-patterns/legacy-service@sha256:${"0".repeat(64)}`,
                );
            });

            it("refuses an update without a context, or without its images", async () => {
                await assert.rejects(deploy(scenario, { images }), {
                    message:
                        "config: `context` is missing; give the kubeconfig context to deploy to: `pulumi config set context <name>`",
                });
                await assert.rejects(
                    deploy(scenario, { context: "lab" }),
                    /config: `images\.[a-z-]+` is missing; give its reference by digest, or run `make images`/,
                );
            });

            for (const given of ["two", "-1", "0", "101", "1.5", "2 "]) {
                it(`refuses replicas: ${given}`, async () => {
                    const shown = /^-?\d+$/.test(given) ? given : JSON.stringify(given);
                    await assert.rejects(deploy(scenario, { replicas: given }, true), {
                        message: `config: \`replicas\` is ${shown}; give a whole number from 1 to 100`,
                    });
                });
            }
        });
    }

    it("take digests of built images from images/digests.json, and the configuration's before them", async () => {
        mkdirSync("images");
        const file = "images/digests.json";
        const built = { topz: reference("built-topz"), "legacy-service": reference("built-legacy") };
        writeFileSync(file, JSON.stringify(built));
        try {
            const { recorded } = await deploy("ch02-topz", {
                context: "lab",
                images: JSON.stringify({ topz: reference("mine") }),
            });
            const { containers, initContainers } = only(recorded, "kubernetes:apps/v1:Deployment").spec.template.spec;
            assert.equal(containers[0].image, reference("built-legacy"));
            assert.equal(initContainers[0].image, reference("mine"));
        } finally {
            rmSync(file);
        }
    });

    it("build images through one Docker provider, and refuse what is not bundled", async () => {
        await assert.rejects(
            deploy("ch02-topz", { context: "lab", imageMode: "build" }),
            /`image` is "legacy-service"; give an image whose images\/legacy-service\/dist\/server\.js is built/,
        );
        for (const name of ["legacy-service", "topz"]) {
            mkdirSync(`images/${name}/dist`, { recursive: true });
            writeFileSync(`images/${name}/dist/server.js`, "");
        }
        const { recorded } = await deploy("ch02-topz", { context: "lab", imageMode: "build" }, true);
        const built = recorded.filter(({ type }) => type === "docker:index/image:Image");
        assert.deepEqual(
            built.map(({ name, provider }) => [name, provider]),
            [
                ["legacy-service", "docker"],
                ["topz", "docker"],
            ],
        );
    });

    it("use another registry for third-party images", async () => {
        const { recorded } = await deploy("ch02-https-sidecar", {
            context: "lab",
            images,
            imageRegistry: "mirror.example.com",
        });
        const { initContainers } = only(recorded, "kubernetes:apps/v1:Deployment").spec.template.spec;
        assert.match(initContainers[1].image, /^mirror\.example\.com\/library\/nginx:/);
    });

    it("take the certificate from where the configuration says", async () => {
        const existing = await deploy("ch02-https-sidecar", { context: "lab", images, certificateSecret: "shop-tls" });
        assert.ok(!listOf(existing.recorded).some((one) => one.startsWith("batch/")));
        const issued = await deploy("ch02-https-sidecar", { context: "lab", images, certificateIssuer: "acme" });
        assert.deepEqual(only(issued.recorded, "kubernetes:cert-manager.io/v1:Certificate").spec.issuerRef, {
            name: "acme",
            kind: "ClusterIssuer",
        });
    });

    const refusals: [Record<string, string>, RegExp][] = [
        [{ repliacs: "3" }, /^Error: config: there is no key `repliacs`; give one of scenario, namespace, /],
        [{ namespace: "Not_A_Name" }, /^Error: config: `namespace` is "Not_A_Name"; give a DNS label/],
        [{ imageMode: "pull" }, /^Error: config: `imageMode` is "pull"; give one of reference, build$/],
        [{ images: "[]" }, /^Error: config: `images` is \[\]; give a map of texts$/],
        [{ images: '{"topz": 1}' }, /^Error: config: `images` is {"topz":1}; give a map of texts$/],
        [{ images: '{"legacy-service": "topz"}' }, /`reference` is "topz"; give an image by digest/],
    ];
    for (const [config, message] of refusals) {
        it(`refuse ${JSON.stringify(config)} in one line`, async () => {
            await assert.rejects(deploy("ch02-topz", config, true), (error: Error) => {
                assert.ok(error instanceof pulumi.RunError, "shown without a stack trace");
                assert.match(String(error), message);
                assert.ok(!error.message.includes("\n"));
                return true;
            });
        });
    }
});

import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { parse } from "yaml";

import { checkout } from "../../../tools/lib/paths";
import {
    backendFor,
    forgetBackend,
    parseSettings,
    prepareWorkspace,
    requireScenario,
    scenarios,
} from "../../../tools/stack/workspace";
import { Pulumi } from "../../../tools/toolchain/pulumi";

const SCENARIO = "ch02-topz";
/** As the CLI writes it at `stack init` with a passphrase. */
const SALT = "v1:c2FsdA==:v1:bm9uY2U=:Y2hlY2s=";

const yaml = (...path: string[]) => parse(readFileSync(join(...path), "utf8"));

describe("workspace of a stack", () => {
    const pulumi: Pulumi = { route: "path", command: "/bin/pulumi", env: { PATH: "/bin", PULUMI_HOME: "/home" } };
    let root: string;

    beforeEach(() => (root = mkdtempSync(join(tmpdir(), "state ä-"))));
    afterEach(() => rmSync(root, { recursive: true }));

    const prepare = (options: { scenario?: string; stack?: string; overrides?: Record<string, unknown> } = {}) =>
        prepareWorkspace({
            pulumi,
            backend: backendFor("dev", root),
            target: "dev",
            scenario: SCENARIO,
            root,
            ...options,
        });

    /** All that a run of the CLI could change in the checkout. */
    const committed = () =>
        ["Pulumi.yaml", ...readdirSync(join(checkout, "stacks")).map((file) => join("stacks", file))].map((file) => [
            file,
            readFileSync(join(checkout, file), "utf8"),
        ]);

    it("runs the checkout's program from a folder of its own, which only its owner reads", () => {
        const { directory, stack } = prepare();
        const project = yaml(directory, "Pulumi.yaml");
        const original = yaml(checkout, "Pulumi.yaml");
        assert.equal(project.main, checkout);
        assert.equal(stack, SCENARIO);
        assert.equal(statSync(directory).mode & 0o777, 0o700);
        // Without this the CLI reads and writes the stack file in the folder.
        assert.equal(project.stackConfigDir, undefined);
        for (const key of ["name", "runtime", "config"]) assert.deepEqual(project[key], original[key], key);
    });

    it("keeps the salt that the CLI adds, and writes none of it into the checkout", () => {
        const before = committed();
        const { directory } = prepare();
        appendFileSync(join(directory, `Pulumi.${SCENARIO}.yaml`), `encryptionsalt: ${SALT}\n`);
        prepare({ overrides: { replicas: "3" } });
        const file = yaml(directory, `Pulumi.${SCENARIO}.yaml`);
        assert.equal(file.encryptionsalt, SALT);
        assert.equal(file.config["distributed-patterns:replicas"], "3");
        assert.deepEqual(committed(), before);
    });

    it("takes the committed configuration, with the given settings on top and only those of this run", () => {
        const file = () => yaml(prepare().directory, `Pulumi.${SCENARIO}.yaml`).config;
        const original = yaml(checkout, "stacks", `Pulumi.${SCENARIO}.yaml`).config;
        const { directory } = prepare({ overrides: { replicas: "9", "kubernetes:context": "x" } });
        const changed = yaml(directory, `Pulumi.${SCENARIO}.yaml`).config;
        assert.equal(changed["distributed-patterns:replicas"], "9");
        assert.equal(changed["kubernetes:context"], "x");
        assert.deepEqual(file(), { ...original, "distributed-patterns:scenario": SCENARIO });
    });

    it("is that of its scenario, whatever the stack's name and the settings say", () => {
        const { directory, stack } = prepare({ stack: "other-name", overrides: { scenario: "ch02-https-sidecar" } });
        assert.equal(stack, "other-name");
        const { config } = yaml(directory, "Pulumi.other-name.yaml");
        assert.equal(config["distributed-patterns:scenario"], SCENARIO);
    });

    it("hands the CLI its tools, its backend and its passphrase", () => {
        const { env } = prepare();
        assert.deepEqual(env, { ...pulumi.env, ...backendFor("dev", root).env });
    });
});

describe("backend of a cluster's stacks", () => {
    const VARIABLES = ["PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"];
    const saved = VARIABLES.map((name) => process.env[name]);
    let root: string;

    beforeEach(() => {
        root = mkdtempSync(join(tmpdir(), "state ä-"));
        for (const name of VARIABLES) delete process.env[name];
    });
    afterEach(() => {
        rmSync(root, { recursive: true });
        VARIABLES.forEach((name, index) => {
            if (saved[index] === undefined) delete process.env[name];
            else process.env[name] = saved[index];
        });
    });

    it("is a directory of the cluster's own, with one passphrase for all", () => {
        const [one, other] = ["dev", "test"].map((name) => backendFor(name, root).env);
        const directory = new URL(one.PULUMI_BACKEND_URL);
        assert.equal(directory.protocol, "file:");
        assert.ok(existsSync(directory));
        assert.notEqual(one.PULUMI_BACKEND_URL, other.PULUMI_BACKEND_URL);
        assert.equal(one.PULUMI_CONFIG_PASSPHRASE_FILE, other.PULUMI_CONFIG_PASSPHRASE_FILE);
    });

    it("has a passphrase that is made once and that only its owner reads", () => {
        const file = backendFor("dev", root).env.PULUMI_CONFIG_PASSPHRASE_FILE;
        const passphrase = readFileSync(file, "utf8");
        assert.ok(passphrase.length >= 32);
        assert.equal(statSync(file).mode & 0o777, 0o600);
        backendFor("dev", root);
        assert.equal(readFileSync(file, "utf8"), passphrase);
        const elsewhere = mkdtempSync(join(tmpdir(), "state-"));
        const other = backendFor("dev", elsewhere).env.PULUMI_CONFIG_PASSPHRASE_FILE;
        assert.notEqual(readFileSync(other, "utf8"), passphrase);
        rmSync(elsewhere, { recursive: true });
    });

    it("is the user's own where PULUMI_BACKEND_URL names one", () => {
        process.env.PULUMI_BACKEND_URL = "s3://bucket";
        assert.deepEqual(Object.keys(backendFor("dev", root).env), ["PULUMI_CONFIG_PASSPHRASE_FILE"]);
        assert.equal(existsSync(join(root, "backends")), false);
    });

    for (const [variable, value] of [
        ["PULUMI_CONFIG_PASSPHRASE", "secret"],
        // An empty passphrase is one, too.
        ["PULUMI_CONFIG_PASSPHRASE", ""],
        ["PULUMI_CONFIG_PASSPHRASE_FILE", "/some/file"],
    ]) {
        it(`has the user's own passphrase where ${variable} is "${value}"`, () => {
            process.env[variable] = value;
            assert.deepEqual(Object.keys(backendFor("dev", root).env), ["PULUMI_BACKEND_URL"]);
            assert.deepEqual(readdirSync(root), ["backends"]);
        });
    }

    it("goes with its cluster, and leaves the others and the passphrase", () => {
        const [gone, kept] = ["dev", "test"].map((name) => backendFor(name, root).env);
        forgetBackend("dev", root);
        assert.equal(existsSync(new URL(gone.PULUMI_BACKEND_URL)), false);
        assert.ok(existsSync(new URL(kept.PULUMI_BACKEND_URL)));
        assert.ok(existsSync(kept.PULUMI_CONFIG_PASSPHRASE_FILE));
    });
});

describe("what is asked for", () => {
    it("is a scenario that has a stack file", () => {
        assert.equal(requireScenario(SCENARIO), SCENARIO);
        assert.throws(() => requireScenario("nonsense"), {
            name: "UserError",
            message: `STACK is "nonsense"; there are ${scenarios().join(", ")}`,
        });
    });

    it("has settings as key=value pairs, where a value may hold a =", () => {
        assert.deepEqual(parseSettings(" replicas=3  certificateSecret=a=b kubernetes:context=c clientCa="), {
            replicas: "3",
            certificateSecret: "a=b",
            "kubernetes:context": "c",
            clientCa: "",
        });
        assert.deepEqual(parseSettings(undefined), {});
        assert.deepEqual(parseSettings(""), {});
    });

    it("has no setting that the project does not declare", () => {
        assert.throws(() => parseSettings("colour=red"), {
            name: "UserError",
            message: /^CONFIG has the key "colour"; there are scenario, /,
        });
    });

    for (const bad of ["replicas", "=3"]) {
        it(`has no setting "${bad}"`, () => {
            assert.throws(() => parseSettings(`replicas=1 ${bad}`), {
                name: "UserError",
                message: `CONFIG has "${bad}"; give key=value pairs, separated by blanks`,
            });
        });
    }
});

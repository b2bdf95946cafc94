import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { parse, stringify } from "yaml";

import { UserError } from "../lib/errors";
import { createWhole } from "../lib/files";
import { checkout, privateDirectory, stateRoot } from "../lib/paths";
import { Pulumi } from "../toolchain/pulumi";

/** Where stacks keep their state, and how their secrets are locked. */
export interface Backend {
    env: Record<string, string>;
}

/** A stack file, as far as it is read or written here. */
interface StackFile {
    config?: Record<string, unknown>;
    [key: string]: unknown;
}

/** A folder from which Pulumi runs this project without writing into the checkout. */
export interface Workspace {
    directory: string;
    stack: string;
    /** Environment for the CLI: tools, backend, passphrase. */
    env: Record<string, string>;
}

const PROJECT = "distributed-patterns";
/** What the CLI writes into a stack file by itself: the salt or key that unlocks the stack's secrets. */
const LOCKS = ["secretsprovider", "encryptedkey", "encryptionsalt"];

/** Names of the scenarios, from their stack files. */
export function scenarios(): string[] {
    return readdirSync(join(checkout, "stacks"))
        .map((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1])
        .filter((name) => name !== undefined)
        .sort();
}

/**
 * Refuses a scenario that does not exist.
 *
 * @throws UserError that lists those that do
 */
export function requireScenario(name: string): string {
    if (!scenarios().includes(name)) throw new UserError(`STACK is "${name}"`, `there are ${scenarios().join(", ")}`);
    return name;
}

/**
 * The backend of a cluster's stacks: the user's own when `PULUMI_BACKEND_URL` is set, else files below the state
 * directory, one set a cluster, so that what belongs to a cluster goes with it. The passphrase is the user's own when
 * set, else one that is made once and kept beside the state.
 */
export function backendFor(target: string, root = stateRoot): Backend {
    const env: Record<string, string> = {};
    if (!process.env.PULUMI_BACKEND_URL) env.PULUMI_BACKEND_URL = pathToFileURL(backendDirectory(target, root)).href;
    if (process.env.PULUMI_CONFIG_PASSPHRASE === undefined && !process.env.PULUMI_CONFIG_PASSPHRASE_FILE) {
        env.PULUMI_CONFIG_PASSPHRASE_FILE = passphraseFile(root);
    }
    return { env };
}

/** Forgets the stacks of a cluster that is gone. */
export function forgetBackend(target: string, root = stateRoot): void {
    for (const kind of ["backends", "workspaces"]) rmSync(join(root, kind, target), { recursive: true, force: true });
}

function backendDirectory(target: string, root: string): string {
    return privateDirectory(root, "backends", target);
}

function passphraseFile(root: string): string {
    const file = join(privateDirectory(root), "passphrase");
    createWhole(file, randomBytes(24).toString("base64"), 0o600);
    return file;
}

/**
 * Prepares the folder of a stack: this project with its program in the checkout, and the scenario's committed
 * configuration with `overrides` on top. The salt that the CLI adds stays in the folder.
 *
 * @param overrides values of this project's configuration keys
 */
export function prepareWorkspace(options: {
    pulumi: Pulumi;
    backend: Backend;
    /** Cluster that the stack belongs to. */
    target: string;
    scenario: string;
    /** Default: the scenario. */
    stack?: string;
    overrides?: Record<string, unknown>;
    root?: string;
}): Workspace {
    const { pulumi, backend, scenario, stack = scenario, overrides = {} } = options;
    const directory = join(options.root ?? stateRoot, "workspaces", options.target, stack);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const { stackConfigDir: _, ...project } = readYaml(join(checkout, "Pulumi.yaml"));
    writeFileSync(join(directory, "Pulumi.yaml"), stringify({ ...project, main: checkout }));

    const file = join(directory, `Pulumi.${stack}.yaml`);
    const committed = readYaml(join(checkout, "stacks", `Pulumi.${scenario}.yaml`));
    const own = existsSync(file) ? readYaml(file) : {};
    const locks = Object.fromEntries(LOCKS.filter((key) => key in own).map((key) => [key, own[key]]));
    const config = { ...qualified(committed.config ?? {}), ...qualified({ ...overrides, scenario }) };
    writeFileSync(file, stringify({ ...locks, config }));
    return { directory, stack, env: { ...pulumi.env, ...backend.env } };
}

/** Configuration whose keys all name the project or provider that they belong to. */
function qualified(config: Record<string, unknown>): Record<string, unknown> {
    return Object.fromEntries(
        Object.entries(config).map(([key, value]) => [key.includes(":") ? key : `${PROJECT}:${key}`, value]),
    );
}

function readYaml(file: string): StackFile {
    return (parse(readFileSync(file, "utf8")) ?? {}) as StackFile;
}

/**
 * Settings given as `key=value key=value`.
 *
 * @throws UserError naming a part that has no `=`, or a key that `Pulumi.yaml` does not declare
 */
export function parseSettings(text: string | undefined): Record<string, string> {
    const known = Object.keys(readYaml(join(checkout, "Pulumi.yaml")).config ?? {});
    const settings: Record<string, string> = {};
    for (const part of (text ?? "").split(/\s+/).filter(Boolean)) {
        const at = part.indexOf("=");
        if (at < 1) throw new UserError(`CONFIG has "${part}"`, "give key=value pairs, separated by blanks");
        const key = part.slice(0, at);
        // Keys of others, such as a provider's, are theirs to judge.
        if (!key.includes(":") && !known.includes(key))
            throw new UserError(`CONFIG has the key "${key}"`, `there are ${known.join(", ")}`);
        settings[key] = part.slice(at + 1);
    }
    return settings;
}

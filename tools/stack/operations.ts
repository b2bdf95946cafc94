import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { UserError } from "../lib/errors";
import { isAlive } from "../lib/processId";
import { CommandError, run, runAttached } from "../lib/process";
import { say } from "../lib/progress";
import { Pulumi } from "../toolchain/pulumi";
import { Workspace } from "./workspace";

/** Operations on resources at once. The CLI's default of 4 a core makes them wait for each other. */
export const PARALLEL = 64;

/** Makes the stack in its backend unless it is there. */
export async function ensureStack(pulumi: Pulumi, workspace: Workspace): Promise<void> {
    if (await stackExists(pulumi, workspace)) return;
    await quietly(pulumi, workspace, [
        "stack",
        "init",
        workspace.stack,
        "--no-select",
        "--secrets-provider",
        "passphrase",
    ]);
}

/** Whether the backend knows the stack. */
export async function stackExists(pulumi: Pulumi, workspace: Workspace): Promise<boolean> {
    const { stdout } = await quietly(pulumi, workspace, ["stack", "ls", "--json"]);
    return (JSON.parse(stdout) as { name: string }[]).some(({ name }) => name.split("/").at(-1) === workspace.stack);
}

/** Removes a stack that has no resources from its backend. */
export async function removeStack(pulumi: Pulumi, workspace: Workspace): Promise<void> {
    await quietly(pulumi, workspace, ["stack", "rm", "--yes", "--stack", workspace.stack, "--preserve-config"]);
}

/**
 * Mends what a killed run left: its lock, and operations of which nobody knows whether they were carried out. The
 * workspace's next operation may then take over what that run applied.
 */
export async function mendInterrupted(pulumi: Pulumi, workspace: Workspace): Promise<void> {
    const locked = deadLocks(workspace).length > 0;
    if (locked) await quietly(pulumi, workspace, ["cancel", "--yes", "--stack", workspace.stack]);
    const { stdout } = await quietly(pulumi, workspace, ["stack", "export", "--stack", workspace.stack]);
    const state = JSON.parse(stdout) as ExportedState;
    const pending = state.deployment?.pending_operations ?? [];
    if (!locked && pending.length === 0) return;
    say(`the last run of ${workspace.stack} was interrupted: looking at what it left`);
    if (pending.length > 0) {
        const file = join(workspace.directory, "mended.json");
        writeFileSync(file, JSON.stringify(withPendingCreates(state)));
        await quietly(pulumi, workspace, ["stack", "import", "--stack", workspace.stack, "--file", file]);
        rmSync(file);
    }
    // What was never created after all is not found now, and leaves the state again.
    await quietly(pulumi, workspace, ["refresh", "--yes", "--skip-preview", "--stack", workspace.stack]);
    // What the killed run applied is ours too, but under a name of that run, so that the server sees a conflict.
    workspace.env.PULUMI_K8S_ENABLE_PATCH_FORCE = "true";
}

/** A resource in an exported state, as far as it is read here. */
interface StateResource {
    urn: string;
    id?: string;
    type: string;
    inputs?: { metadata?: { name?: string; namespace?: string } };
    outputs?: unknown;
}

/** What `pulumi stack export` prints, as far as it is read here. */
export interface ExportedState {
    deployment?: {
        resources?: StateResource[];
        /** Operations that were begun and of which no end is written down. */
        pending_operations?: { type: string; resource: StateResource }[];
    };
}

/**
 * The state with every Kubernetes object that may have been created taken for created. Its name is in the inputs before
 * the creation begins, also where Pulumi chose it, so that nothing is left behind under a name that nobody knows.
 */
export function withPendingCreates(state: ExportedState): ExportedState {
    const { resources = [], pending_operations: pending = [], ...deployment } = state.deployment ?? {};
    const known = new Set(resources.map(({ urn }) => urn));
    const created = pending.flatMap(({ type, resource }) => {
        const { name, namespace } = resource.inputs?.metadata ?? {};
        if (type !== "creating" || !resource.type.startsWith("kubernetes:") || !name || known.has(resource.urn))
            return [];
        return [{ ...resource, id: namespace ? `${namespace}/${name}` : name, outputs: resource.inputs }];
    });
    return { ...state, deployment: { ...deployment, resources: [...resources, ...created], pending_operations: [] } };
}

/** Locks in a file backend whose holder, a process of this machine, is gone. */
function deadLocks(workspace: Workspace): string[] {
    const backend = workspace.env.PULUMI_BACKEND_URL;
    if (!backend?.startsWith("file:///")) return [];
    const directory = join(fileURLToPath(backend), ".pulumi/locks/organization/distributed-patterns", workspace.stack);
    if (!existsSync(directory)) return [];
    const locks = readdirSync(directory).filter((file) => file.endsWith(".json"));
    return locks.filter((file) => {
        const { pid, hostname: host } = JSON.parse(readFileSync(join(directory, file), "utf8")) as {
            pid: number;
            hostname: string;
        };
        return host === hostname() && !isAlive(pid);
    });
}

/** The outputs of a stack. */
export async function outputs(pulumi: Pulumi, workspace: Workspace): Promise<Record<string, unknown>> {
    const { stdout } = await quietly(pulumi, workspace, ["stack", "output", "--json", "--stack", workspace.stack]);
    return JSON.parse(stdout) as Record<string, unknown>;
}

/** What `operate` does. */
export type Operation = "up" | "preview" | "destroy";

/**
 * Runs an operation with the CLI's own display.
 *
 * @throws UserError with the errors of the operation in one line
 */
export async function operate(
    pulumi: Pulumi,
    workspace: Workspace,
    operation: Operation,
    flags: string[] = [],
): Promise<void> {
    const events = join(workspace.directory, "events.json");
    rmSync(events, { force: true });
    const confirmed = operation === "preview" ? [] : ["--yes"];
    // What the CLI itself stumbles over, such as a wrong passphrase, is in no event.
    const errors: string[] = [];
    const errorLine = (line: string) => (line.startsWith("error: ") ? errors.push(line.slice(7)) : say(line));
    const status = await runAttached(
        pulumi.command,
        [
            operation,
            "--stack",
            workspace.stack,
            "--non-interactive",
            ...confirmed,
            "--parallel",
            String(PARALLEL),
            "--event-log",
            events,
            ...flags,
        ],
        { cwd: workspace.directory, env: workspace.env, errorLine },
    );
    if (status !== 0) {
        if (existsSync(events)) errors.push(...errorsIn(readFileSync(events, "utf8")));
        throw new UserError(
            `${operation} of ${workspace.stack} failed${errors.length > 0 ? `: ${errors.join("; ")}` : ""}`,
        );
    }
}

/** Runs the CLI without showing what it prints. */
async function quietly(pulumi: Pulumi, workspace: Workspace, args: string[]) {
    try {
        return await run(pulumi.command, [...args, "--non-interactive"], {
            cwd: workspace.directory,
            env: workspace.env,
        });
    } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        throw new UserError(`pulumi ${args.slice(0, 2).join(" ")}: ${firstError(error.stderr)}`);
    }
}

function firstError(text: string): string {
    const lines = text
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean);
    return (lines.find((line) => line.startsWith("error:")) ?? lines[0] ?? "").replace(/^error: /, "");
}

/** The error messages in an event log, without color codes and repetition. */
export function errorsIn(log: string): string[] {
    const messages = log
        .split("\n")
        .map(readEvent)
        .filter(({ diagnosticEvent }) => diagnosticEvent?.severity === "error")
        .map(({ diagnosticEvent }) =>
            diagnosticEvent!.message
                .replace(/<\{%[^%]*%\}>/g, "")
                .replace(/^error: /, "")
                .trim(),
        );
    // That the update failed is what the exit code says already.
    const telling = messages.filter(
        (message) => !/^(update|preview|resource .*) failed$/i.test(message) && message !== "",
    );
    return [...new Set(telling.map((message) => message.replace(/\s*\n\s*/g, " ")))];
}

/** An event of the log; nothing where the CLI was killed while it wrote the line. */
function readEvent(line: string): { diagnosticEvent?: { severity: string; message: string } } {
    try {
        return JSON.parse(line) as ReturnType<typeof readEvent>;
    } catch {
        return {};
    }
}

import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { UserError } from "../lib/errors";
import { CommandError, run, runAttached } from "../lib/process";
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

/** Ends what a killed run left open, so that the next run can look at what is really there. */
export async function cancelInterrupted(pulumi: Pulumi, workspace: Workspace): Promise<void> {
    await quietly(pulumi, workspace, ["cancel", "--yes", "--stack", workspace.stack]).catch(() => undefined);
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
        { cwd: workspace.directory, env: workspace.env },
    );
    if (status !== 0) {
        const errors = existsSync(events) ? errorsIn(readFileSync(events, "utf8")) : [];
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
        .filter(Boolean)
        .map((line) => JSON.parse(line) as { diagnosticEvent?: { severity: string; message: string } })
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
    return [...new Set(telling.map((message) => message.split("\n")[0]))];
}

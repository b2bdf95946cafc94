import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

import { cached, keyOf } from "../lib/cache";
import { UserError } from "../lib/errors";
import { privateDirectory, stateRoot } from "../lib/paths";
import { run, which } from "../lib/process";
import { Step } from "../lib/progress";
import { buildBinary, buildSteps, builtBinary, goCommand } from "./goBuild";
import { pulumiBinaries } from "./goBinaries";
import { isAtLeast, versions } from "./versions";

/** Where the Pulumi CLI comes from: found on PATH, downloaded from its makers, or built from Go modules. */
export type PulumiRoute = "path" | "official" | "modules";

/** A Pulumi CLI that works, and what to put into the environment to run it. */
export interface Pulumi {
    route: PulumiRoute;
    /** Absolute path of the CLI. */
    command: string;
    /** PATH and PULUMI_HOME for the CLI. */
    env: Record<string, string>;
}

const RELEASES = "https://get.pulumi.com/releases/sdk/";

/** The route that this machine allows, without taking it. */
export async function pulumiRoute(): Promise<PulumiRoute> {
    const found = await which("pulumi");
    if (found && (await which("pulumi-language-nodejs")) && isAtLeast(await cliVersion(found), versions.pulumiOldest))
        return "path";
    // What was built once is not given up for a download.
    if (pulumiBinaries.every((binary) => builtBinary(binary))) return "modules";
    return (await canDownload(RELEASES)) ? "official" : "modules";
}

/** The steps that make Pulumi ready, none when it is. `result` is set by the last of them. */
export async function pulumiSteps(): Promise<{ steps: Step[]; result: () => Promise<Pulumi> }> {
    const route = await pulumiRoute();
    if (route === "path") return { steps: [], result: async () => pulumiAt(route, (await which("pulumi"))!) };
    if (route === "official") {
        let command = "";
        const install = async () => void (command = await installOfficial());
        return {
            steps: [{ label: `Pulumi ${versions.pulumiOfficial}, official download`, usualSeconds: 40, run: install }],
            result: async () => pulumiAt(route, command),
        };
    }
    return { steps: buildSteps(pulumiBinaries), result: fromModules };
}

/** Version of a CLI, such as `3.200.0`, or undefined when it does not run. */
async function cliVersion(command: string): Promise<string | undefined> {
    const { stdout } = await run(command, ["version"]).catch(() => ({ stdout: "" }));
    return /^v?(\d+\.\d+\.\d+)/.exec(stdout.trim())?.[1];
}

/** Whether a host of the open internet answers. */
export async function canDownload(url: string): Promise<boolean> {
    try {
        await fetch(url, { method: "HEAD", redirect: "manual", signal: AbortSignal.timeout(4_000) });
        return true;
    } catch {
        return false;
    }
}

async function installOfficial(): Promise<string> {
    const directory = await cached(
        "toolchain",
        "pulumi-official",
        keyOf({ texts: [versions.pulumiOfficial] }),
        async (output) => {
            const { PulumiCommand } = await import("@pulumi/pulumi/automation");
            const { SemVer } = await import("semver");
            await PulumiCommand.install({ version: new SemVer(versions.pulumiOfficial), root: output }).catch(
                (error: Error) => {
                    throw new UserError(
                        `the Pulumi CLI could not be downloaded: ${error.message.split("\n")[0]}`,
                        "run the same command again",
                    );
                },
            );
        },
    );
    return join(directory, "bin/pulumi");
}

/** Puts the built parts side by side, as an official release has them. */
async function fromModules(): Promise<Pulumi> {
    const parts = new Map<string, string>();
    for (const binary of pulumiBinaries) parts.set(binary.name, await buildBinary(binary));
    const key = keyOf({ texts: ["bin", ...parts.values()] });
    const directory = await cached("toolchain", "pulumi-release", key, async (output) => {
        const bin = join(output, "bin");
        mkdirSync(bin);
        for (const name of ["pulumi", "pulumi-language-nodejs"]) copyFileSync(parts.get(name)!, join(bin, name));
        // Policy packs and dynamic providers are started through these scripts, which come as files of the SDK's module.
        const env = { PATH: [dirname(await goCommand()), process.env.PATH].join(delimiter) };
        const module = `github.com/pulumi/pulumi/sdk/v3@v${versions.pulumiFromModule}`;
        const { Dir } = JSON.parse((await run("go", ["mod", "download", "-json", module], { env })).stdout) as {
            Dir: string;
        };
        for (const script of ["pulumi-analyzer-policy", "pulumi-resource-pulumi-nodejs"]) {
            copyFileSync(join(Dir, "nodejs/dist", script), join(bin, script));
            chmodSync(join(bin, script), 0o755);
        }
    });
    const pulumi = pulumiAt("modules", join(directory, "bin/pulumi"));
    installPlugin(pulumi.env.PULUMI_HOME, parts.get("pulumi-resource-kubernetes")!);
    return pulumi;
}

function pulumiAt(route: PulumiRoute, command: string): Pulumi {
    return {
        route,
        command,
        env: {
            PATH: [dirname(command), process.env.PATH].join(delimiter),
            PULUMI_HOME: process.env.PULUMI_HOME ?? privateDirectory(stateRoot, "pulumi"),
            PULUMI_SKIP_UPDATE_CHECK: "true",
            // Makes the CLI accept `--event-log`, as Pulumi's own Automation API does.
            PULUMI_DEBUG_COMMANDS: "true",
            // Where Pulumi itself had to be built nothing can be downloaded either; each operation would try for seconds,
            // for every Pulumi package below node_modules that has a provider.
            ...(route === "modules" ? { PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" } : {}),
        },
    };
}

/** Puts the provider where `pulumi plugin install` would. */
function installPlugin(home: string, binary: string): void {
    const directory = join(home, "plugins", `resource-kubernetes-v${versions.kubernetesProvider}`);
    const target = join(directory, "pulumi-resource-kubernetes");
    if (existsSync(target)) return;
    mkdirSync(directory, { recursive: true });
    copyFileSync(binary, `${target}.partial`);
    chmodSync(`${target}.partial`, 0o755);
    renameSync(`${target}.partial`, target);
}

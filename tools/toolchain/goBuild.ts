import { chmodSync, cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

import { cached, cachePath, keyOf } from "../lib/cache";
import { UserError } from "../lib/errors";
import { installDebianPackages } from "../lib/debian";
import { CommandError, run, which } from "../lib/process";
import type { Step } from "../lib/progress";
import { GoBinary } from "./goBinaries";
import { isAtLeast, versions } from "./versions";

const KIND = "toolchain";

function key(binary: GoBinary): string {
    const { prepare, usualSeconds: _, ...inputs } = binary;
    return keyOf({ texts: [JSON.stringify(inputs), String(prepare)], paths: [moduleFolder(binary)] });
}

function moduleFolder(binary: GoBinary): string {
    return join(__dirname, "go", binary.module);
}

/** Where the built binary is, or undefined when it has yet to be built. */
export function builtBinary(binary: GoBinary): string | undefined {
    const file = join(cachePath(KIND, binary.name, key(binary)), binary.name);
    return existsSync(file) ? file : undefined;
}

/** A step for each of the binaries that has yet to be built. */
export function buildSteps(binaries: GoBinary[]): Step[] {
    return binaries
        .filter((binary) => !builtBinary(binary))
        .map((binary) => ({
            label: `${binary.name}, built from Go modules`,
            usualSeconds: binary.usualSeconds,
            run: async () => void (await buildBinary(binary)),
        }));
}

/** Builds a binary from its Go modules, once for each set of inputs, and returns its path. */
export async function buildBinary(binary: GoBinary): Promise<string> {
    const directory = await cached(KIND, binary.name, key(binary), async (output) => {
        const env: NodeJS.ProcessEnv = {
            PATH: [dirname(await goCommand()), process.env.PATH].join(delimiter),
            GOFLAGS: "-mod=readonly -trimpath -buildvcs=false",
            CGO_ENABLED: binary.cgoPackages ? "1" : "0",
        };
        if (binary.cgoPackages) await installDebianPackages(binary.cgoPackages, `building ${binary.name}`);
        // The go command and `prepare` write beside go.mod, so they work on a copy.
        const folder = mkdtempSync(join(tmpdir(), `dp-${binary.name}-`));
        try {
            cpSync(moduleFolder(binary), folder, { recursive: true });
            await binary.prepare?.(folder, env);
            const flags = [
                "-ldflags",
                `-s -w ${binary.linkerFlags ?? ""}`,
                ...(binary.tags ? ["-tags", binary.tags] : []),
            ];
            await run("go", ["build", ...flags, "-o", join(output, binary.name), binary.package], { cwd: folder, env });
        } catch (error) {
            throw explained(binary, error);
        } finally {
            rmSync(folder, { recursive: true, force: true });
        }
    });
    return join(directory, binary.name);
}

function explained(binary: GoBinary, error: unknown): unknown {
    if (!(error instanceof CommandError)) return error;
    if (/no space left on device/.test(error.stderr)) {
        return new UserError(
            `no space left while building ${binary.name}`,
            "free some, or set GOCACHE and DP_CACHE to another disk",
        );
    }
    if (/dial tcp|proxyconnect|TLS handshake|i\/o timeout|connection (refused|reset)/.test(error.stderr)) {
        return new UserError(
            `the Go module registry does not answer while building ${binary.name}`,
            "check the network or GOPROXY and run the same command again",
        );
    }
    return error;
}

/**
 * Path of a Go command new enough to build with: the one on PATH, the usual place, or a toolchain that an older one
 * (Debian 12's) fetches as a module.
 */
export async function goCommand(): Promise<string> {
    const found = await findGo();
    if (found) return found;
    const directory = await cached(KIND, "go", keyOf({ texts: [versions.goToolchain] }), async (output) => {
        await installDebianPackages(["golang-go", "ca-certificates"], "building from Go modules");
        const module = `golang.org/toolchain@v0.0.1-go${versions.goToolchain}.linux-${process.arch === "arm64" ? "arm64" : "amd64"}`;
        const { stdout } = await run("/usr/bin/go", ["mod", "download", "-json", module]);
        const { Dir } = JSON.parse(stdout) as { Dir: string };
        cpSync(Dir, output, { recursive: true });
        // A module holds no run bits.
        await run("chmod", ["-R", "u+w", output]);
        for (const tools of ["bin", "pkg/tool"]) await run("chmod", ["-R", "a+x", join(output, tools)]);
        chmodSync(output, 0o755);
    });
    return join(directory, "bin/go");
}

/** Path of an installed Go that is new enough, or undefined. */
export async function findGo(): Promise<string | undefined> {
    for (const candidate of [await which("go"), "/usr/local/go/bin/go"]) {
        if (candidate && existsSync(candidate) && isAtLeast(await goVersion(candidate), versions.goOldest))
            return candidate;
    }
    return undefined;
}

/** Version of a Go command, such as `1.26.8`; undefined when it does not run. */
async function goVersion(command: string): Promise<string | undefined> {
    try {
        return (await run(command, ["env", "GOVERSION"], { env: { GOTOOLCHAIN: "local" } })).stdout
            .trim()
            .replace(/^go/, "");
    } catch {
        return undefined;
    }
}

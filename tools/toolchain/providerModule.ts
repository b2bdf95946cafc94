import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { run } from "../lib/process";
import { versions } from "./versions";

const PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4";
const SDK = "github.com/pulumi/pulumi-kubernetes/sdk/v4";
/** The part of the provider's Go SDK that its YAML and Helm components use; see `replacement/kinds.go.txt`. */
const SDK_PACKAGES = ["utilities", "meta/v1", "apiextensions", "helm/v4", "yaml/v2"];

/**
 * Completes the Kubernetes provider's module: the embedded schema, and a local SDK without the typed packages of every
 * kind, which would be two thirds of the build.
 */
export async function providerModule(directory: string, env: NodeJS.ProcessEnv): Promise<void> {
    const command = join(await moduleDirectory(PROVIDER, directory, env), "cmd/pulumi-resource-kubernetes");
    const schema = JSON.parse(readFileSync(join(command, "schema.json"), "utf8")) as Record<string, unknown>;
    writeFileSync(
        join(directory, "schema-embed.json"),
        JSON.stringify({ ...schema, version: versions.kubernetesProvider }),
    );
    copyFileSync(join(command, "terraform-mapping.json"), join(directory, "terraform-mapping-embed.json"));

    const original = await moduleDirectory(SDK, directory, env);
    const local = join(directory, "sdk");
    const packages = join(local, "go/kubernetes");
    mkdirSync(packages, { recursive: true });
    for (const file of ["go.mod", "go.sum"]) copyWritable(join(original, file), join(local, file));
    for (const name of ["", ...SDK_PACKAGES]) copyGoFiles(join(original, "go/kubernetes", name), join(packages, name));
    copyWritable(join(directory, "replacement/kinds.go.txt"), join(packages, "yaml/v2/kinds.go"));
    await run("go", ["mod", "edit", `-replace=${SDK}=./sdk`], { cwd: directory, env });
}

async function moduleDirectory(module: string, cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
    await run("go", ["mod", "download", module], { cwd, env });
    return (await run("go", ["list", "-m", "-f", "{{.Dir}}", module], { cwd, env })).stdout.trim();
}

/** Copies the files of one package, without its sub-packages. */
function copyGoFiles(from: string, to: string): void {
    cpSync(from, to, {
        recursive: true,
        filter: (path) =>
            path === from ||
            (path.startsWith(`${from}/`) && !path.slice(from.length + 1).includes("/") && path.endsWith(".go")),
    });
}

/** Module files are read-only; the copy must not be. */
function copyWritable(from: string, to: string): void {
    writeFileSync(to, readFileSync(from));
}

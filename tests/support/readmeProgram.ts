import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { checkout } from "../../tools/lib/paths";

/** The settings of `pulumi new kubernetes-typescript`. */
const TSCONFIG = {
    compilerOptions: {
        strict: true,
        outDir: "bin",
        target: "es2020",
        module: "commonjs",
        moduleResolution: "node",
        sourceMap: true,
        experimentalDecorators: true,
        pretty: true,
        noFallthroughCasesInSwitch: true,
        noImplicitReturns: true,
        forceConsistentCasingInFileNames: true,
    },
    files: ["index.ts"],
};

/** SDKs that a program installs for itself, so that there are two copies of each in one process. */
const OWN_SDKS = ["kubernetes", "pulumi"];
/** What is in this checkout's node_modules and not in the program's. */
const ABSENT = [".bin", ".package-lock.json", "@pulumi", "distributed-patterns", "ts-node"];

/** The TypeScript program in the README: its only block of TypeScript. */
export function readmeProgram(): string {
    const blocks = [...readFileSync(join(checkout, "README.md"), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)];
    assert.equal(blocks.length, 1, "the README has one program");
    return blocks[0][1];
}

/**
 * Writes the README's program into a folder outside of this checkout, as its steps leave it: a stock Pulumi project with
 * SDKs of its own, and the components linked as `npm install <folder>` does.
 */
export function writeReadmeProgram(directory: string): void {
    const modules = join(directory, "node_modules");
    mkdirSync(join(modules, "@pulumi"), { recursive: true });
    const installed = join(checkout, "node_modules");
    for (const name of readdirSync(installed)) {
        if (!ABSENT.includes(name)) symlinkSync(join(installed, name), join(modules, name));
    }
    for (const name of OWN_SDKS) {
        cpSync(join(installed, "@pulumi", name), join(modules, "@pulumi", name), { recursive: true });
    }
    symlinkSync(join(checkout, "components"), join(modules, "distributed-patterns"));

    writeFileSync(join(directory, "Pulumi.yaml"), "name: shop\nruntime: nodejs\n");
    writeFileSync(join(directory, "package.json"), JSON.stringify({ name: "shop", private: true }));
    writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(TSCONFIG));
    writeFileSync(join(directory, "index.ts"), readmeProgram());
}

import { build } from "esbuild";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { ImageDeclaration } from "./kit";

/** What the image builder adds to an image beside its one file: `dist/labels.json`. */
export interface ImageLabels {
    /** OCI labels. */
    labels: Record<string, string>;
    /** Ports to expose, such as `8080/tcp`. */
    exposedPorts: string[];
}

/** Names of all TypeScript images: the folders here that have a `src/server.ts`. */
export function imageNames(): string[] {
    return readdirSync(__dirname)
        .filter((name) => existsSync(join(__dirname, name, "src/server.ts")))
        .sort();
}

/**
 * Bundles an image to `<image>/dist/server.js`, one file without node_modules, and writes `<image>/dist/labels.json`.
 * The same sources give the same bytes.
 *
 * @returns the image's `dist` folder
 * @throws Error when there is no image of this name, naming those there are
 */
export async function bundleImage(name: string): Promise<string> {
    if (!imageNames().includes(name)) {
        throw new Error(`there is no image ${JSON.stringify(name)}; give one of ${imageNames().join(", ")}`);
    }
    const [source, dist] = [join(__dirname, name, "src"), join(__dirname, name, "dist")];
    await build({
        absWorkingDir: __dirname,
        entryPoints: [join(source, "server.ts")],
        outfile: join(dist, "server.js"),
        bundle: true,
        platform: "node",
        target: "node24",
        format: "cjs",
        // Names and lines stay readable in stack traces.
        minifySyntax: true,
        legalComments: "inline",
        logLevel: "warning",
    });
    const { declaration } = (await import(join(source, "declaration"))) as { declaration: ImageDeclaration };
    if (declaration.name !== name)
        throw new Error(`images/${name} declares the name ${JSON.stringify(declaration.name)}`);
    const { exposedPorts, ociLabels } = await import("./kit/describe");
    const labels: ImageLabels = { labels: ociLabels(declaration), exposedPorts: exposedPorts(declaration) };
    mkdirSync(dist, { recursive: true });
    writeFileSync(join(dist, "labels.json"), `${JSON.stringify(labels, undefined, 4)}\n`);
    return dist;
}

/** Bundles every image. */
export async function bundleAll(): Promise<string[]> {
    return Promise.all(imageNames().map(bundleImage));
}

if (require.main === module) {
    const names = process.argv.slice(2);
    (names.length > 0 ? Promise.all(names.map(bundleImage)) : bundleAll()).catch((error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
        process.exitCode = 1;
    });
}

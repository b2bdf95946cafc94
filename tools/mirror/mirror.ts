import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { cached, keyOf } from "../lib/cache";
import { UserError } from "../lib/errors";
import { ensureRegistry } from "../images/registry";
import { REGISTRY } from "../images/registryApi";
import { parseReference } from "../images/reference";
import { composeImage, Image, Layer, LAYER_FILE, packLayer, pushImage } from "./push";
import { MirrorName, mirrors, Recipe } from "./recipes";

/** An image in the local registry that stands in for an upstream one. */
export interface MirroredImage {
    upstream: MirrorName;
    /** The image by digest in the local registry. */
    reference: string;
    digest: string;
}

/** Files that decide what is in a stand-in image; a change in one of them makes all of them anew. */
const RECIPE_SOURCES = ["debian.ts", "libraries.ts", "push.ts", "recipes.ts", "rootfs.ts"].map((name) =>
    join(__dirname, name),
);

/** Whether there is a recipe for this upstream image. */
export function isMirrored(upstream: string): upstream is MirrorName {
    return Object.hasOwn(mirrors, upstream);
}

/**
 * Makes sure that the local registry, which is started where none answers, has a stand-in for an upstream image under
 * the upstream's repository and tag. For machines that cannot pull; it needs no Docker and no root.
 *
 * @param binary path of the program, for the recipes that take one (see `mirrors`)
 * @throws UserError when there is no recipe, the program is missing, or the version to be had is another
 */
export async function ensureMirror(upstream: string, binary?: string): Promise<MirroredImage> {
    if (!isMirrored(upstream)) {
        throw new UserError(
            `no stand-in for the image ${upstream} can be made here`,
            `there are ${Object.keys(mirrors).join(", ")}`,
        );
    }
    const { directory, layer, image } = await makeImage(upstream, binary);
    const { repository, tag } = parseReference(upstream);
    await ensureRegistry();
    await pushImage(image, layer, join(directory, LAYER_FILE), repository, tag!);
    return { upstream, digest: image.digest, reference: `${REGISTRY}/${repository}@${image.digest}` };
}

async function makeImage(
    upstream: MirrorName,
    binary?: string,
): Promise<{ directory: string; layer: Layer; image: Image }> {
    const recipe: Recipe = mirrors[upstream];
    if (recipe.binary && !binary)
        throw new UserError(`the image ${upstream} needs the program ${recipe.binary}`, "hand in its path");
    if (process.arch !== "x64" || process.platform !== "linux") {
        throw new UserError(
            `stand-in images are made on x64 Linux only, and this is ${process.arch} ${process.platform}`,
            "use a Docker that can pull images",
        );
    }
    const config = { ...recipe.config, Labels: labelsOf(upstream, recipe) };
    const key = keyOf({ texts: [upstream], paths: [...RECIPE_SOURCES, ...(binary ? [binary] : [])] });
    const directory = await cached("mirror", basename(upstream).replace(":", "-"), key, async (entry) => {
        const place = { root: join(entry, "root"), scratch: join(entry, "scratch"), binary };
        mkdirSync(place.root);
        mkdirSync(place.scratch);
        await recipe.fill(place);
        writeFileSync(join(entry, "layer.json"), JSON.stringify(await packLayer(place.root, entry)));
        for (const directory of [place.root, place.scratch]) rmSync(directory, { recursive: true });
    });
    const layer = JSON.parse(readFileSync(join(directory, "layer.json"), "utf8")) as Layer;
    return { directory, layer, image: composeImage(layer, config) };
}

function labelsOf(upstream: string, recipe: Recipe): Record<string, string> {
    return {
        "org.opencontainers.image.title": basename(upstream),
        "org.opencontainers.image.description": `Stands in for ${upstream}: ${recipe.source}`,
    };
}

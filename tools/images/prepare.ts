import { catalog } from "../../components/core/catalog";
import type { Target } from "../cluster/target";
import { ensureMirror, isMirrored } from "../mirror/mirror";
import { buildImages } from "./build";

/**
 * Puts every image that the stacks name where the target can pull it: ours into the local registry, and for a cluster
 * that cannot reach the upstream registries also stand-ins of the third-party ones.
 */
export async function prepareImages(target?: Pick<Target, "route">): Promise<void> {
    if (!target || target.route === "modules") {
        for (const image of Object.values<string>(catalog)) {
            if (isMirrored(image)) await ensureMirror(image);
        }
    }
    await buildImages();
}

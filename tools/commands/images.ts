import { prepareImages } from "../images/prepare";
import { runSteps } from "../lib/progress";

/** Builds the project's images, pushes them to the local registry and writes down their digests. */
export async function images(): Promise<void> {
    await runSteps([{ label: "images", usualSeconds: 60, run: () => prepareImages() }]);
}

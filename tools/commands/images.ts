import { stopEngine } from "../images/engine";
import { prepareImages } from "../images/prepare";
import { stopRegistry } from "../images/registry";
import { runSteps, say } from "../lib/progress";

/** Builds the project's images, pushes them to the local registry and writes down their digests. */
export async function images(): Promise<void> {
    await runSteps([{ label: "images", usualSeconds: 60, run: () => prepareImages() }]);
}

/** Ends the registry and the Docker engine that the project started; what they hold stays in the cache. */
export async function imagesDown(): Promise<void> {
    const stopped = [(await stopRegistry()) && "the registry", (await stopEngine()) && "the Docker engine"].filter(
        Boolean,
    );
    say(stopped.length > 0 ? `stopped ${stopped.join(" and ")}` : "nothing of the project's own was running");
}

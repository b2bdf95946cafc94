import { existsSync } from "node:fs";
import { join } from "node:path";

import * as pulumi from "@pulumi/pulumi";

import { refuse, requireImage, requireOneOf, whenKnown } from "./validate";

/** Which image of the `images` folder, and whether it is built or only named. One of `reference` and `repository`. */
export interface ServiceImageArgs {
    /** Folder of the image below `imagesDirectory`. */
    image: string;
    /** Image that was built before, by digest: `repository@sha256:…`. */
    reference?: pulumi.Input<string>;
    /** Builds the image and pushes it below this registry and path, such as `registry.example.com/patterns`. */
    repository?: string;
    /** Platform to build for, `linux/amd64` or `linux/arm64`. Default: `linux/amd64`. */
    platform?: string;
    /** Folder that holds the images and their Dockerfile, relative to the program. Default: `images`. */
    imagesDirectory?: string;
}

/** The way of an image into a component: an immutable reference, of a given image or of one built and pushed here. */
export class ServiceImage extends pulumi.ComponentResource {
    /** `repository@sha256:…`; unknown in the preview of a build. */
    readonly reference: pulumi.Output<string>;

    constructor(name: string, args: ServiceImageArgs, opts?: pulumi.ComponentResourceOptions) {
        super("distributed-patterns:index:ServiceImage", name, args, opts);
        const { image, reference, repository, imagesDirectory = "images" } = args;
        const platform = requireOneOf(name, "platform", args.platform ?? "linux/amd64", ["linux/amd64", "linux/arm64"]);
        if (reference !== undefined && repository !== undefined) {
            refuse(name, "repository", repository, "it only without `reference`: an image is either named or built");
        }
        if (reference !== undefined) {
            this.reference = pulumi.output(whenKnown(reference, (text) => requireImage(name, "reference", text)));
        } else if (repository === undefined) {
            refuse(name, "reference", reference, "an image by digest, or `repository` to build one");
        } else {
            const context = join(imagesDirectory, image);
            if (!existsSync(join(context, "dist", "server.js"))) {
                refuse(
                    name,
                    "image",
                    image,
                    `an image whose ${context}/dist/server.js is built: run \`npx ts-node -T images/bundle.ts\``,
                );
            }
            this.reference = this.build(name, {
                imageName: `${repository}/${image}:latest`,
                build: { context, dockerfile: join(imagesDirectory, "Dockerfile"), platform },
            });
        }
        this.registerOutputs({ reference: this.reference });
    }

    /** The Docker SDK is loaded here, so that a stack that only names its images never pays for it. */
    private build(name: string, args: import("@pulumi/docker").ImageArgs): pulumi.Output<string> {
        const loaded = import("@pulumi/docker/image.js");
        return pulumi.output(loaded.then(({ Image }) => new Image(name, args, { parent: this }).repoDigest));
    }
}

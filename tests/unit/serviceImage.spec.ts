import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

import { ServiceImage } from "../../components/core/serviceImage";
import { listOf, only, Recorded, recordResources, settled, unknown, valueOf } from "../support/mocks";

const digest = `sha256:${"0".repeat(64)}`;

describe("ServiceImage", () => {
    let recorded: Recorded[];
    beforeEach(async () => {
        recorded = await recordResources();
    });

    it("hands on a given reference without loading the Docker SDK", async () => {
        const { reference } = new ServiceImage("topz", { image: "topz", reference: `r.example.com/topz@${digest}` });
        await settled();
        assert.equal(await valueOf(reference), `r.example.com/topz@${digest}`);
        assert.deepEqual(listOf(recorded), ["distributed-patterns:index:ServiceImage topz"]);
        assert.ok(!Object.keys(require.cache).some((file) => file.includes("@pulumi/docker/image")));
    });

    it("hands on a reference that is not known yet", async () => {
        await recordResources({ preview: true });
        const { reference } = new ServiceImage("topz", { image: "topz", reference: unknown() });
        assert.equal(await valueOf(reference), undefined);
    });

    describe("building", () => {
        let imagesDirectory: string;
        before(() => {
            imagesDirectory = relative("", mkdtempSync(join(tmpdir(), "images-")));
            mkdirSync(join(imagesDirectory, "topz/dist"), { recursive: true });
            writeFileSync(join(imagesDirectory, "topz/dist/server.js"), "");
        });
        after(() => rmSync(imagesDirectory, { recursive: true }));

        it("builds the image's folder for one platform and pushes it", async () => {
            new ServiceImage("topz", { image: "topz", repository: "r.example.com/patterns", imagesDirectory });
            // The Docker SDK is loaded first; only then the build is registered.
            await import("@pulumi/docker/image");
            await settled();
            const { build, imageName, skipPush } = only(recorded, "docker:index/image:Image");
            assert.equal(imageName, "r.example.com/patterns/topz:latest");
            assert.deepEqual(build, {
                context: join(imagesDirectory, "topz"),
                dockerfile: join(imagesDirectory, "Dockerfile"),
                platform: "linux/amd64",
            });
            assert.notEqual(skipPush, true);
            const image = recorded.find(({ type }) => type === "docker:index/image:Image")!;
            assert.equal(image.parent, "distributed-patterns:index:ServiceImage::topz");
        });

        it("refuses an image that is not bundled, and says how to", () => {
            assert.throws(
                () => new ServiceImage("agent", { image: "agent", repository: "r.example.com", imagesDirectory }),
                {
                    message: `agent: \`image\` is "agent"; give an image whose ${imagesDirectory}/agent/dist/server.js is built: run \`npx ts-node -T images/bundle.ts\``,
                },
            );
        });

        it("refuses a platform it does not know", () => {
            const args = { image: "topz", repository: "r.example.com", imagesDirectory, platform: "windows" };
            assert.throws(() => new ServiceImage("topz", args), {
                message: 'topz: `platform` is "windows"; give one of linux/amd64, linux/arm64',
            });
        });
    });

    it("is either named or built", () => {
        assert.throws(() => new ServiceImage("topz", { image: "topz" }), {
            message: "topz: `reference` is missing; give an image by digest, or `repository` to build one",
        });
        assert.throws(
            () => new ServiceImage("topz", { image: "topz", reference: `a@${digest}`, repository: "r.example.com" }),
            {
                message:
                    'topz: `repository` is "r.example.com"; give it only without `reference`: an image is either named or built',
            },
        );
    });
});

import assert from "node:assert/strict";

import { imageFromCatalog, isFromCatalog } from "../../components/core/catalog";

describe("image catalogue", () => {
    it("names upstream images by an exact version", () => {
        assert.match(imageFromCatalog("nginx"), /^docker\.io\/library\/nginx:\d+\.\d+\.\d+$/);
    });

    it("points at a mirror, with or without a path", () => {
        const [, tag] = imageFromCatalog("nginx").split(":");
        assert.equal(imageFromCatalog("nginx", "127.0.0.1:5001"), `127.0.0.1:5001/library/nginx:${tag}`);
        assert.equal(
            imageFromCatalog("nginx", "mirror.example.com/hub/"),
            `mirror.example.com/hub/library/nginx:${tag}`,
        );
    });

    it("knows its images, upstream and from a mirror, and no others", () => {
        assert.ok(isFromCatalog(imageFromCatalog("nginx")));
        assert.ok(isFromCatalog(imageFromCatalog("nginx", "mirror.example.com/hub")));
        assert.ok(!isFromCatalog("docker.io/library/nginx:latest"));
        assert.ok(!isFromCatalog(`docker.io/evil${imageFromCatalog("nginx").slice("docker.io/".length)}`));
    });
});

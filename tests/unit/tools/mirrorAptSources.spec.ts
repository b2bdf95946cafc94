import assert from "node:assert/strict";

import { debianMirrors, parseDeb822, parseSourcesList } from "../../../tools/mirror/aptSources";

describe("apt sources", () => {
    it("reads one-line entries with and without options, and no source archives or comments", () => {
        const text = `
# deb http://commented.example/debian trixie main
deb-src http://mirror.example/debian trixie main
deb http://mirror.example/debian/ trixie main contrib # near
  deb [arch=amd64 signed-by=/a.gpg] https://mirror.example/debian-security trixie-security main`;
        assert.deepEqual(parseSourcesList(text), [
            { uri: "http://mirror.example/debian", suite: "trixie", components: ["main", "contrib"] },
            { uri: "https://mirror.example/debian-security", suite: "trixie-security", components: ["main"] },
        ]);
    });

    it("reads stanzas with several suites, continued lines and comments, and no disabled or source ones", () => {
        const text = `Types: deb deb-src
# http://snapshot.example/debian
URIs: http://mirror.example/debian/
Suites: bookworm
# backports are not used
 bookworm-updates
Components: main
Signed-By: /a.gpg

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main
`;
        const entry = { uri: "http://mirror.example/debian", components: ["main"] };
        assert.deepEqual(parseDeb822(text), [
            { ...entry, suite: "bookworm" },
            { ...entry, suite: "bookworm-updates" },
        ]);
    });
});

describe("Debian mirrors of a machine", () => {
    const source = (uri: string, suite: string, components = ["main"]) => ({ uri, suite, components });

    it("are those the machine uses for any Debian release, the security archive apart", () => {
        const sources = [
            source("http://near.example/debian-security", "bookworm-security"),
            source("http://near.example/debian", "bookworm"),
            source("http://far.example/debian", "sid"),
        ];
        assert.deepEqual(debianMirrors(sources), {
            main: "http://near.example/debian",
            security: "http://near.example/debian-security",
        });
    });

    it("are apt's own mirror lists where the machine uses such", () => {
        const list = "mirror+file:/etc/apt/mirrors/debian.list";
        assert.equal(debianMirrors([source(list, "trixie")]).main, list);
    });

    it("are not the archives of others, nor Ubuntu's", () => {
        const sources = [
            source("https://packages.example/apt", "bookworm"),
            source("https://download.example/linux/debian", "bookworm", ["stable"]),
            source("http://archive.ubuntu.example/ubuntu", "noble"),
        ];
        assert.deepEqual(debianMirrors(sources), {
            main: "http://deb.debian.org/debian",
            security: "http://deb.debian.org/debian-security",
        });
    });
});

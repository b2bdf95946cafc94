import {
    chmodSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    readlinkSync,
    renameSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import { join } from "node:path";

import type { KeyPair, Material } from "./certificate";

/** The group shares the folder with nginx, which may run as another user. */
const FILE_MODE = 0o640;
const DIRECTORY_MODE = 0o750;

/**
 * The folder `certificates`: one complete folder for each version and the link `current`, which is replaced by rename.
 * A reader that resolves the link once sees a certificate and key that belong together.
 */
export class Publisher {
    private readonly directory: string;

    constructor(runDirectory: string) {
        this.directory = join(runDirectory, "certificates");
        mkdirSync(this.directory, { recursive: true, mode: DIRECTORY_MODE });
    }

    /** What is in service, also from before a restart of this process; undefined when there is nothing. */
    current(): Material | undefined {
        const version = this.currentVersion();
        if (version === undefined) return undefined;
        const read = (file: string) => readFileSync(join(this.directory, version, file));
        return { certificate: read("tls.crt"), key: read("tls.key") };
    }

    /** Puts the pair into service. The version before it stays on disk for handshakes that have just begun. */
    publish({ version, certificate, key }: KeyPair): void {
        const previous = this.currentVersion();
        if (previous === version) return;
        const scratch = join(this.directory, `.${version}`);
        rmSync(scratch, { recursive: true, force: true });
        mkdirSync(scratch);
        for (const [name, content] of [
            ["tls.crt", certificate],
            ["tls.key", key],
        ] as const) {
            const file = join(scratch, name);
            writeFileSync(file, content, { mode: FILE_MODE });
            // The mode above is subject to the umask.
            chmodSync(file, FILE_MODE);
        }
        chmodSync(scratch, DIRECTORY_MODE);
        // A version that comes back may still be there; it has the same content.
        if (this.versions().includes(version)) rmSync(scratch, { recursive: true });
        else renameSync(scratch, join(this.directory, version));

        const link = join(this.directory, ".next");
        rmSync(link, { force: true });
        symlinkSync(version, link);
        renameSync(link, join(this.directory, "current"));
        for (const name of this.versions()) {
            if (name !== version && name !== previous) rmSync(join(this.directory, name), { recursive: true });
        }
    }

    private currentVersion(): string | undefined {
        try {
            return readlinkSync(join(this.directory, "current"));
        } catch {
            return undefined;
        }
    }

    private versions(): string[] {
        return readdirSync(this.directory).filter((name) => name !== "current" && !name.startsWith("."));
    }
}

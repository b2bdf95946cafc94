import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { unpackPackages } from "./debian";

/** An account that a program runs as; its group has the same name and number. */
export interface Account {
    name: string;
    id: number;
    /** Default: `/nonexistent`. */
    home?: string;
}

/** Writes a text file into a tree, with its directories. */
export function writeInto(root: string, path: string, text: string): void {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
}

/** What every image needs beside its program: accounts, name lookup order and a place for temporary files. */
export function writeBasics(root: string, accounts: Account[]): void {
    const all: Account[] = [{ name: "root", id: 0, home: "/root" }, ...accounts, { name: "nobody", id: 65534 }];
    const line = ({ name, id, home = "/nonexistent" }: Account) =>
        `${name}:x:${id}:${id}:${name}:${home}:/sbin/nologin\n`;
    writeInto(root, "etc/passwd", all.map(line).join(""));
    writeInto(root, "etc/group", all.map(({ name, id }) => `${name}:x:${id}:\n`).join(""));
    writeInto(root, "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
    mkdirSync(join(root, "tmp"), { recursive: true });
}

/** Writes the certificates of the authorities that Debian trusts, as one file where Go and OpenSSL look for it. */
export async function writeCertificates(root: string, scratch: string): Promise<void> {
    await unpackPackages(["ca-certificates"], scratch);
    const folder = join(scratch, "usr/share/ca-certificates/mozilla");
    const texts = readdirSync(folder)
        .sort()
        .map((name) => readFileSync(join(folder, name), "utf8").trimEnd());
    writeInto(root, "etc/ssl/certs/ca-certificates.crt", `${texts.join("\n")}\n`);
}

/**
 * Sets the mode of everything in a tree by its kind, so that neither this user's umask nor the source of a file shows
 * in the image: directories and programs 755, other files 644, `/tmp` 1777.
 */
export function normaliseModes(root: string): void {
    setModes(root);
    if (existsSync(join(root, "tmp"))) chmodSync(join(root, "tmp"), 0o1777);
}

/** Never follows a link: those of an image, such as `/var/run`, would lead into the file system of this machine. */
function setModes(path: string): void {
    const status = lstatSync(path);
    if (status.isSymbolicLink()) return;
    const runs = status.isDirectory() || (status.mode & 0o111) !== 0;
    chmodSync(path, runs ? 0o755 : 0o644);
    if (status.isDirectory()) for (const name of readdirSync(path)) setModes(join(path, name));
}

/** One archive that apt is told to use. */
export interface AptSource {
    uri: string;
    suite: string;
    components: string[];
}

/** Where Debian packages come from. */
export interface DebianMirrors {
    main: string;
    security: string;
}

const DEFAULT: DebianMirrors = {
    main: "http://deb.debian.org/debian",
    security: "http://deb.debian.org/debian-security",
};

/** The binary archives in a `sources.list` file of one-line entries. */
export function parseSourcesList(text: string): AptSource[] {
    return text.split("\n").flatMap((line) => {
        const entry = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)([^#]*)/.exec(line.trim());
        return entry ? [{ uri: trimSlash(entry[1]), suite: entry[2], components: words(entry[3]) }] : [];
    });
}

/** The enabled binary archives in a `.sources` file (deb822 stanzas). */
export function parseDeb822(text: string): AptSource[] {
    const stanzas = text
        .split("\n")
        .filter((line) => !line.startsWith("#"))
        .join("\n")
        .split(/\n\s*\n/);
    return stanzas.flatMap((stanza) => {
        const fields = fieldsOf(stanza);
        if (!words(fields.types).includes("deb") || fields.enabled?.trim().toLowerCase() === "no") return [];
        const components = words(fields.components);
        return words(fields.uris).flatMap((uri) =>
            words(fields.suites).map((suite) => ({ uri: trimSlash(uri), suite, components })),
        );
    });
}

/** The Debian mirrors among a machine's archives; deb.debian.org for what it does not name, as on Ubuntu. */
export function debianMirrors(sources: AptSource[]): DebianMirrors {
    const debian = sources.filter(({ uri, suite, components }) => {
        // Third parties publish for Debian's suites too; Debian's own archive is recognised by its path or method.
        const own = /(\/debian(-security)?|\.list)$/.test(uri);
        return own && components.includes("main") && /^[a-z]+(-updates|-security|\/updates)?$/.test(suite);
    });
    const isSecurity = ({ uri, suite }: AptSource) => /security/.test(`${uri} ${suite}`);
    return {
        main: debian.find((source) => !isSecurity(source))?.uri ?? DEFAULT.main,
        security: debian.find(isSecurity)?.uri ?? DEFAULT.security,
    };
}

function fieldsOf(stanza: string): Record<string, string> {
    const fields: Record<string, string> = {};
    for (const [, name, value] of stanza.matchAll(/^([\w-]+):((?:.|\n[ \t])*)/gm)) fields[name.toLowerCase()] = value;
    return fields;
}

function words(text = ""): string[] {
    return text.split(/\s+/).filter(Boolean);
}

function trimSlash(uri: string): string {
    return uri.replace(/\/+$/, "");
}

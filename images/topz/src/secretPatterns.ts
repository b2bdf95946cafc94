/** Words that make a name the name of a secret, in `db-password`, `DB_PASSWORD`, `dbPassword` and `db.password` alike. */
const SECRET_WORDS = new Set(
    (
        "pass password passwd passphrase passcode pwd secret secrets token credential credentials authorization cookie " +
        "bearer apikey accesskey secretkey privatekey requirepass masterauth dsn"
    ).split(" "),
);

/** Words before `key` that make it a secret one; a `public-key` or a `cache-key` is none. */
const SECRET_KEYS = new Set("api access secret private signing encryption auth account shared".split(" "));

/** A last word that makes the name one of something about a secret: its place, its kind, its size. */
const ABOUT_WORDS = new Set(
    (
        "file files path dir directory name names ttl length timeout expiry lifetime type mode config kubeconfig url uri " +
        "endpoint stdin policy"
    ).split(" "),
);

/** Whether an option, variable, header or field of this name holds a secret. */
export function isSecretName(name: string): boolean {
    const words = name
        // A system property of Java.
        .replace(/^-D/, "")
        .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
        .toLowerCase()
        .split(/[^a-z0-9]+/)
        .filter((word) => word !== "");
    if (ABOUT_WORDS.has(words.at(-1) ?? "")) return false;
    return words.some((word, index) => SECRET_WORDS.has(word) || (word === "key" && SECRET_KEYS.has(words[index - 1])));
}

/** Tokens whose form alone gives them away. */
const KNOWN_TOKENS = new RegExp(
    [
        String.raw`eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*`, // JSON Web Token
        String.raw`gh[opsur]_\w{20,}|github_pat_\w{20,}`, // GitHub
        String.raw`glpat-[\w-]{16,}`, // GitLab
        String.raw`xox[abeoprs]-[\w-]{10,}`, // Slack
        String.raw`(?:AKIA|ASIA)[A-Z0-9]{16}`, // AWS
        String.raw`sk-[\w-]{16,}|[sr]k_(?:live|test)_\w{10,}`, // OpenAI, Stripe
        String.raw`hv[sbr]\.[\w-]{16,}`, // Vault
    ]
        .map((token) => `\\b(?:${token})`)
        .join("|"),
    "g",
);

/** Runs of the letters of base64 that are long enough to be a key. */
const CANDIDATES = /(sha(?:256|384|512):)?([A-Za-z0-9+/_-]{24,}={0,2})/g;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Replaces known tokens and text that looks random. */
export function maskTokens(text: string, mask: string): string {
    const maskRandom = (part: string) => (looksRandom(part) ? mask : part);
    return text
        .replace(KNOWN_TOKENS, mask)
        .replace(CANDIDATES, (all: string, digest: string | undefined, run: string) => {
            // The digest of an image or file is public.
            if (digest !== undefined) return all;
            // Short folder names in a row are as mixed as a key is: each counts alone.
            return run.startsWith("/") ? run.split("/").map(maskRandom).join("/") : maskRandom(run);
        });
}

/**
 * Words and names, even in CamelCase or with numbers, have runs of several letters of one kind; in random text a run
 * ends after two or so, and many different letters occur.
 */
function looksRandom(text: string): boolean {
    if (UUID.test(text)) return false;
    if (/^[0-9a-f]{32,}$/i.test(text)) return entropyOf(text) >= 3;
    // Generated names of pods and hosts: small letters, numbers and dashes.
    if (/^[a-z0-9_/=-]*[_/=-][a-z0-9_/=-]*$/.test(text)) return false;
    const runs = text.match(/[A-Z]?[a-z]+|[A-Z]+|\d+/g) ?? [];
    const length = runs.join("").length;
    return length >= 20 && length / runs.length <= 3.2 && entropyOf(text) >= 3.5;
}

/** Shannon entropy in bits per letter. */
function entropyOf(text: string): number {
    const counts = new Map<string, number>();
    for (const letter of text) counts.set(letter, (counts.get(letter) ?? 0) + 1);
    return [...counts.values()].reduce((sum, count) => sum - (count / text.length) * Math.log2(count / text.length), 0);
}

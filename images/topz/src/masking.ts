import { isSecretName, maskTokens } from "./secretPatterns";

const MASK = "***";

/** Short options that hold a secret, by program: `-p` means a password to one and a port to the next. */
const SHORT_OPTIONS: Readonly<Record<string, { attached?: string; separate?: readonly string[] }>> = {
    curl: { attached: "-u", separate: ["-u", "--user", "-U", "--proxy-user"] },
    ldapsearch: { separate: ["-w"] },
    mongosh: { separate: ["-p"] },
    "redis-cli": { separate: ["-a"] },
    sshpass: { attached: "-p", separate: ["-p"] },
    "valkey-cli": { separate: ["-a"] },
    ...Object.fromEntries(
        ["mysql", "mysqladmin", "mysqldump", "mariadb", "mariadb-admin", "mariadb-dump"].map((name) => [
            name,
            { attached: "-p" },
        ]),
    ),
};

/** Words of a shell line: quoted parts belong to the word around them; a quote without its pair is a word. */
const SHELL_WORDS = /(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'])+|["']/gs;

/** The quoted parts of a word and what stands between them. */
const QUOTED_PARTS = /"(?:[^"\\]|\\.)*"|'[^']*'|[^"']+|["']/gs;

/**
 * A command line as text in which everything that looks like a secret is `***`: values of options, variables, headers
 * and fields with a secret's name, passwords in URLs, tokens of known form, long random text. In doubt it masks.
 */
export function maskSecrets(args: readonly string[]): string {
    return new Masker().mask(args).join(" ");
}

/** Remembers what the words so far say about the next one. */
class Masker {
    #program = "";
    #nextIsSecret = false;

    mask(words: readonly string[]): string[] {
        return words.map((word) => this.#maskWord(word));
    }

    #maskWord(word: string): string {
        if (this.#nextIsSecret) {
            this.#nextIsSecret = false;
            // A switch that takes no value, such as `--password-prompt --verbose`, is followed by an option.
            if (!/^--?[a-z]/i.test(word)) return MASK;
        }
        const [, quote = "", bare = word] = /^(["'])(.*)\1$/s.exec(word) ?? [];
        const name = bare.slice(bare.lastIndexOf("/") + 1);
        if (Object.hasOwn(SHORT_OPTIONS, name)) this.#program = name;

        // A variable, an option with its value, a header.
        const [start, assigned, sign] = /^(-{0,2}[A-Za-z][\w.-]*)(=|:\s*)/.exec(bare) ?? [];
        if (start && isSecretName(assigned)) {
            const value = bare.slice(start.length);
            if (value !== "") return isSwitch(value) ? word : quote + start + MASK + quote;
            this.#nextIsSecret = sign === ":";
        }

        const { attached, separate } = SHORT_OPTIONS[this.#program] ?? {};
        if (attached && bare.startsWith(attached) && bare.length > attached.length) return attached + MASK;
        if (separate?.includes(bare) || /^(?:bearer|basic)$/i.test(bare)) this.#nextIsSecret = true;
        if (/^--?[A-Za-z][\w.-]*$/.test(bare) && isSecretName(bare)) this.#nextIsSecret = true;
        if (/^pass:/.test(bare)) return `pass:${MASK}`;

        // A shell line, or a title that the program gave itself: words within a word.
        if (/\s/.test(bare)) return this.#maskLine(word);
        return maskInside(word);
    }

    #maskLine(line: string): string {
        return line.replace(SHELL_WORDS, (word) => (word === line ? this.#maskQuoted(word) : this.#maskWord(word)));
    }

    /** One word whose space is all within quotes: each quoted part is a line again. */
    #maskQuoted(word: string): string {
        return word.replace(QUOTED_PARTS, (part) =>
            /^(["']).*\1$/s.test(part) && part.length > 1
                ? part[0] + this.#maskWord(part.slice(1, -1)) + part[0]
                : maskInside(part),
        );
    }
}

/** The value of an option such as `--use-credentials=true` gives nothing away. */
function isSwitch(value: string): boolean {
    return /^(?:true|false|yes|no|on|off)$/i.test(value);
}

/** Masks parts of one word: URL passwords, fields, tokens. */
function maskInside(word: string): string {
    const masked = word
        .replace(/(:\/\/[^\s/?#:@]*):[^\s/?#]*@/g, `$1:${MASK}@`)
        .replace(/((?:^|[=,;"'])[\w.+-]+):[^\s@/"']+@(?=[\w[(])/g, `$1:${MASK}@`)
        .replace(/(-{0,2}[A-Za-z][\w.-]*)=(?:[^&;,\s"']|,(?![\w.-]+=))+/g, (all, name: string) =>
            isSecretName(name) ? `${name}=${MASK}` : all,
        )
        .replace(
            /(["']?)([A-Za-z][\w.-]*)\1(\s*:\s*)"(?:[^"\\]|\\.)*"/g,
            (all, quote: string, name: string, colon: string) =>
                isSecretName(name) ? `${quote}${name}${quote}${colon}"${MASK}"` : all,
        );
    return maskTokens(masked, MASK);
}

import assert from "node:assert/strict";
import { createHash } from "node:crypto";

import { maskSecrets } from "../../images/topz/src/masking";

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLWFsaWNl";

/** Arguments and the command line that is shown; the word `hunter2` and what follows it is the secret. */
const masked: [args: string[], shown: string][] = [
    [["app", "--password=hunter2"], "app --password=***"],
    [["app", "--password", "hunter2", "--port", "80"], "app --password *** --port 80"],
    [["app", "--password", "hunter2 and more"], "app --password ***"],
    [["app", "--password=hunter2 and more"], "app --password=***"],
    [["app", "-password=hunter2"], "app -password=***"],
    [["app", "--dbPassword", "hunter2"], "app --dbPassword ***"],
    [["app", "--auth-token=hunter2"], "app --auth-token=***"],
    [["app", "--token", "hunter2"], "app --token ***"],
    [["app", "--api-key", "hunter2"], "app --api-key ***"],
    [["app", "--client-secret=hunter2"], "app --client-secret=***"],
    [["java", "-Dspring.datasource.password=hunter2", "Main"], "java -Dspring.datasource.password=*** Main"],
    [["env", "DB_PASS=hunter2", "app"], "env DB_PASS=*** app"],
    [["env", "AWS_SECRET_ACCESS_KEY=hunter2"], "env AWS_SECRET_ACCESS_KEY=***"],
    [["redis-server", "--requirepass", "hunter2"], "redis-server --requirepass ***"],
    [["valkey-server", "--masterauth", "hunter2"], "valkey-server --masterauth ***"],
    [["/usr/bin/valkey-cli", "-a", "hunter2", "ping"], "/usr/bin/valkey-cli -a *** ping"],
    [["mariadb", "-uroot", "-phunter2", "books"], "mariadb -uroot -p*** books"],
    [["mysqldump", "-p", "books"], "mysqldump -p books"],
    [["sshpass", "-p", "hunter2", "ssh", "host"], "sshpass -p *** ssh host"],
    [["curl", "-u", "alice:hunter2", "http://web"], "curl -u *** http://web"],
    [["curl", "-ualice:hunter2", "http://web"], "curl -u*** http://web"],
    [["curl", "-H", "Authorization: Bearer hunter2"], "curl -H Authorization: ***"],
    [["curl", "-H", "X-Api-Key: hunter2"], "curl -H X-Api-Key: ***"],
    [["curl", "--header", "Cookie:session=hunter2"], "curl --header Cookie:***"],
    [["psql", "postgres://alice:hunter2@db:5432/books"], "psql postgres://alice:***@db:5432/books"],
    [["app", "--redis=redis://:hunter2@cache:6379/0"], "app --redis=redis://:***@cache:6379/0"],
    [["app", "alice:hunter2@tcp(db:3306)/books"], "app alice:***@tcp(db:3306)/books"],
    [["app", "http://web/?user=a&token=hunter2&x=1"], "app http://web/?user=a&token=***&x=1"],
    [["app", "host=db user=alice password=hunter2 dbname=books"], "app host=db user=alice password=*** dbname=books"],
    [["app", "Server=db;Uid=alice;Pwd=hunter2;Port=1"], "app Server=db;Uid=alice;Pwd=***;Port=1"],
    [["app", "--set", "a=b,auth.password=hunter2,c=d"], "app --set a=b,auth.password=***,c=d"],
    [["app", '{"user":"alice","password":"hunter2","n":1}'], 'app {"user":"alice","password":"***","n":1}'],
    [["sh", "-c", "app --password hunter2 --port 80"], "sh -c app --password *** --port 80"],
    [["sh", "-c", "app --password 'hunter2 and more' -v"], "sh -c app --password *** -v"],
    [["sh", "-c", 'TOKEN="hunter2 and more" app'], "sh -c TOKEN=***"],
    [["sh", "-c", "exec env TOKEN='hunter2 and more' app"], "sh -c exec env TOKEN=*** app"],
    [["sh", "-c", "curl -H 'Authorization: Basic hunter2' web"], "sh -c curl -H 'Authorization: ***' web"],
    [["sh", "-c", "mysql -phunter2 | less"], "sh -c mysql -p*** | less"],
    [["worker: job --token hunter2 "], "worker: job --token *** "],
    [["sh", "-c", `OPTS="--password='hunter2 and more' -v" app`], 'sh -c OPTS="--password=***" app'],
    [["app", "Server=db;Password=hunter2,hunter2;Port=1"], "app Server=db;Password=***;Port=1"],
    [["java", "-Dpassword=hunter2", "Main"], "java -Dpassword=*** Main"],
    [["sh", "-c", 'OPTS="-v -Dpassword=hunter2" app'], 'sh -c OPTS="-v -Dpassword=***" app'],
    [["sh", "-c", 'app --opts="--token hunter2" -v'], 'sh -c app --opts="--token ***" -v'],
    [["openssl", "rsa", "-passin", "pass:hunter2"], "openssl rsa -passin pass:***"],
    [["app", "--jwt", jwt], "app --jwt ***"],
    [["app", `--with=${jwt}`], "app --with=***"],
    [
        ["git", "clone", "https://ghp_abcdefghijklmnopqrstuvwxyz0123456789@github.com/a/b"],
        "git clone https://***@github.com/a/b",
    ],
    [["app", "AKIAIOSFODNN7EXAMPLE"], "app ***"],
];

/** Command lines in which nothing is secret. */
const harmless = [
    "nginx: master process nginx -g daemon off;",
    "/nodejs/bin/node /app/server.js",
    "java -Xmx512m -cp /opt/app/lib/commons-lang3-3.12.0.jar:/opt/app/lib/guava-31.1-jre.jar com.example.Main",
    "/usr/lib/jvm/java-17-openjdk-amd64/bin/java -XX:+UseContainerSupport -Dfile.encoding=UTF-8",
    "kube-controller-manager --service-account-private-key-file=/keys/sa.key --use-service-account-credentials=true",
    "kube-apiserver --authorization-mode=Node,RBAC --enable-bootstrap-token-auth=true --tls-private-key-file=/k.key",
    "app --password-file=/run/secrets/db --token-ttl 5m --secret-name db --credentials-path /a",
    "app --max-tokens=100 --compass north --bypass --author alice --keyboard us --passive",
    "app --cache-key=abc --public-key abc --key x",
    "ssh -p 2222 host -a",
    "docker run image@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "app --id 123e4567-e89b-12d3-a456-426614174000 --pod web-7d4b9c6f5d-x2x4z --at 2024-05-06T07:08:09.123456Z",
    "app my-rather-long-deployment-name-7d4b9c6f5d-x2x4z MyVeryLongClassNameForTheService2Implementation",
    "/usr/share/elasticsearch/modules/x-pack-core/Netty4/transport/HttpServerTransport",
    "http://web:8080/a@b ssh://git@github.com/owner/repository.git 10.0.0.1:80",
    "app 00000000-0000-0000-0000-000000000000 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

describe("topz masking", () => {
    for (const [args, shown] of masked) {
        it(`shows ${shown}`, () => {
            assert.equal(maskSecrets(args), shown);
            assert.doesNotMatch(maskSecrets(args), /hunter2|and more'/);
        });
    }

    for (const line of harmless) {
        it(`leaves alone ${line}`, () => {
            assert.equal(maskSecrets(line.split(" ")), line, "as separate arguments");
            assert.equal(maskSecrets([line]), line, "as one argument");
        });
    }

    for (const [encoding, bytes] of [
        ["base64", 24],
        ["base64url", 24],
        ["hex", 20],
    ] as const) {
        it(`masks random keys of ${bytes} bytes in ${encoding} by their form`, () => {
            // Digests of numbers: random enough, and the same in every run.
            const keys = Array.from({ length: 500 }, (_, index) =>
                createHash("sha256").update(String(index)).digest().subarray(0, bytes).toString(encoding),
            );
            const seen = keys.filter((key) => maskSecrets(["app", "--with", key]).includes(key));
            assert.ok(seen.length <= 5, `${seen.length} of ${keys.length} shown: ${seen.join(" ")}`);
        });
    }

    it("ends for every command line, soon", () => {
        const parts = [
            "'",
            '"',
            "\\",
            " ",
            "a",
            "B",
            "0",
            "=",
            ":",
            "@",
            "/",
            "-",
            "--token",
            "curl",
            "eyJ.",
            "AKIA",
            "&",
            "%",
        ];
        let state = 1;
        const random = (below: number) => (state = (state * 48271) % 2147483647) % below;
        const start = performance.now();
        for (let round = 0; round < 3000; round++) {
            const text = Array.from({ length: 1 + random(40) }, () => parts[random(parts.length)]).join("");
            assert.equal(typeof maskSecrets([text, text]), "string");
        }
        // As long as a command line can be.
        for (const part of [...parts, '\\"', "'\"", "a=", "=:@", "a.b/"]) {
            maskSecrets([part.repeat(4096 / part.length)]);
            maskSecrets([` ${part.repeat(4096 / part.length)}`]);
        }
        assert.ok(performance.now() - start < 10_000, `${performance.now() - start} ms`);
    });
});

"""What is taken for a credential, and what is not: a table of each."""

from __future__ import annotations

import shlex

import pytest

from holdall.runs.masking import mask_arguments, mask_text, without_credentials

X = "hunter2Secret"  # what must not be seen
COMMANDS = [
    "curl -u alice:{X} https://host/",
    "curl --user alice:{X} https://host/",
    "curl --user=alice:{X} https://host/",
    "curl -ualice:{X} https://host/",
    "curl -U proxy:{X} -x http://proxy https://host/",
    "curl --proxy-user proxy:{X} https://host/",
    "curl -b sid={X} https://host/",
    "curl -H 'Authorization: Bearer {X}' https://host/",
    "curl -H 'X-Api-Key: {X}' https://host/",
    "curl -H 'PRIVATE-TOKEN: {X}' https://host/",
    "/usr/bin/curl -s -u 'alice:{X}' https://host/",
    "curl --oauth2-bearer {X}",
    "fetch.py -u alice:{X}",
    "fetch.py --creds alice:{X}",
    "mysql -uroot -p{X} db",
    "mysqldump --password={X} db",
    "mysqladmin -u root -p{X} ping",
    "mariadb -p{X}",
    "psql 'host=h user=u password={X}'",
    "psql postgresql://u:{X}@host/db",
    "PGPASSWORD={X} psql -h host",
    "redis-cli -a {X} ping",
    "redis-cli -u redis://:{X}@host",
    "docker login -u alice -p {X} registry",
    "podman login --password {X} registry",
    "docker run -e API_KEY={X} image",
    "helm upgrade --set auth.password={X} chart",
    "sshpass -p {X} ssh host",
    "sshpass -p{X} ssh host",
    "git clone https://oauth2:{X}@gitlab.com/x.git",
    "git clone https://{X}@github.com/x.git",
    "git config http.token {X}",
    "aws configure set aws_secret_access_key {X}",
    "AWS_SECRET_ACCESS_KEY={X} aws s3 ls",
    "az login -u alice -p {X}",
    "az storage blob list --account-key {X}",
    "az storage blob list --sas-token {X}",
    "gcloud auth print --access-token={X}",
    "wandb login {X}",
    "wandb login --relogin {X}",
    "WANDB_API_KEY={X} train",
    "huggingface-cli login --token {X}",
    "mongosh -u a -p {X}",
    "ldapsearch -D cn=a -w {X}",
    "sqlcmd -S host -P {X}",
    "7z x -p{X} a.7z",
    "unzip -P {X} a.zip",
    "smbclient -U 'alice%{X}' //host/share",
    "openssl enc -pass pass:{X}",
    "train.py --api-key {X}",
    "train.py --api-key={X}",
    "train.py --apiKey {X}",
    "train.py Authorization: Bearer {X}",
    "train.py token: {X}",
    'train.py \'{{"password": "{X}"}}\'',
    "train.py db.password={X}",
    "train.py https://host/x?token={X}&part=2",
    "train.py https://b.s3.amazonaws.com/x?X-Amz-Signature={X}",
    "train.py https://hooks.slack.com/services/T000/B000/{X}",
    "train.py https://hooks.slack.com/workflows/T000/A000/1/{X}",
    "train.py https://discord.com/api/webhooks/123/{X}",
    "train.py https://discordapp.com/api/v10/webhooks/123/{X}/slack",
    "train.py https://acme.webhook.office.com/webhookb2/{X}@tenant/IncomingWebhook/{X}",
    "train.py https://outlook.office.com/webhook/{X}",
    "train.py https://api.telegram.org/bot123456789:{X}/sendMessage",
    "train.py https://hooks.zapier.com/hooks/catch/123/{X}",
    "train.py https://maker.ifttt.com/trigger/done/with/key/{X}",
    "train.py https://chat.example.org/hooks/{X}{X}",
    "train.py https://conda.anaconda.org/t/tk-{X}/channel",
    "bash -c 'curl -u alice:{X} https://host; sleep 1'",
    "sh -c 'mysql -p{X}'",
    "sudo docker login -p {X}",
    "sql \"ALTER USER 'a' IDENTIFIED BY '{X}'\"",
    "cat 'machine host login alice password {X}'",
]
COMMANDS += [
    f"train.py --{name} {{X}}"
    for name in (
        "monkey-key",
        "primary-key-secret",
        "start-token-secret",
        "sort_key_password",
        "monkeyApiKey",
        "hot_api_key",
    )
]
LOOKS = [
    "ghp_" + "A1b2" * 9,
    "github_pat_" + "A1b2" * 9,
    "glpat-" + "A1b2" * 5,
    "hf_" + "A1b2" * 8,
    "sk-proj-" + "A1b2" * 8,
    "sk-ant-api03-" + "A1b2" * 8,
    "gsk_" + "A1b2" * 8,
    "nvapi-" + "A1b2" * 8,
    "AKIA" + "A1B2" * 4,
    "ASIA" + "A1B2" * 4,
    "AIza" + "A1b2" * 9,
    "ya29." + "A1b2" * 9,
    "GOCSPX-" + "A1b2" * 7,
    "xoxb-" + "12345-" * 3 + "abc",
    "xoxe.xoxp-" + "1-A1b2" * 4,
    "xapp-" + "1-A1b2" * 4,
    "123456789:AA" + "A1b2" * 8 + "c",
    "SG." + "A1b2" * 5 + "." + "A1b2" * 9,
    "hvs." + "A1b2" * 6,
    "dckr_pat_" + "A1b2" * 6,
    "npm_" + "A1b2" * 9,
    "pypi-" + "A1b2" * 9,
    "dapi" + "a1b2" * 8,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n-----END ENCRYPTED PRIVATE KEY-----",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQdG\n-----END PGP PRIVATE KEY BLOCK-----",
]
HARMLESS = [
    "python -u train.py -p 8080",
    "train.py -p8080 -u 3 -U x",
    "docker run -u 1000:1000 -p 8080:80 -p 127.0.0.1:90:90 image",
    "docker build -t name:tag .",
    "pip install --user package",
    "systemctl --user status x",
    "mysql -u root -h host db",
    "mysql -P 3306",
    "ssh -p 22 host",
    "mkdir -p a/b",
    "cp -a x y",
    "redis-cli -p 6379 ping",
    "unzip -o a.zip",
    "curl -s https://host/path:80/x -o out",
    "curl -u alice https://host",
    "train.py --user C:\\data",
    "train.py --user s3://bucket/x:y",
    "torchrun --master_port 29500 -m pkg.mod:main",
    "train.py --tokenizer gpt2 --max-tokens 4096 --keyboard us",
    "train.py --keyword=x",
    "train.py --monkey 1 --monkey_patch x --donkey=y --turkey z --hockey 2 MONKEY=3 --hotkey ctrl+a",
    "train.py --key-dim 64 --key_size=8 --keyDim 8 --num-keys 4 --keypoints 17 model.key_dim=64",
    "train.py --primary-key id --sort_key name --partition-key=day --key-column c",
    "train.py --pad_token [PAD] --eos-token </s> --pad-token-id 0 --bosTokenId 1 --image-token=2",
    "train.py --token-count 5 --max-token-length 5 --token-type x --num-tokens 7",
    'train.py {"monkey": "1", "key_dim": 64, "pad_token_id": 0}',
    "train.py --secretary bob --secretariat x --bypass x --compass y --author me --patience 3",
    "train.py -pedantic -profile -parallel -pX",
    "wandb sync dir",
    "wandb offline",
    "hf download org/model",
    "git config user.name alice",
    "aws configure set region eu-central-1",
    "train.py https://github.com/org/repo/issues/1?page=2#x",
    "train.py https://docs.github.com/en/webhooks/about",
    "train.py https://host/webhooks/",
    "train.py https://discord.com/channels/1/2",
    "train.py https://hooks.example.org/",
    "train.py https://host/t/1234/x",
    "train.py git@github.com:org/repo.git ssh://git@host/x.git",
    "train.py image@sha256:" + "ab" * 32,
    "train.py name=value=other rate=0.1",
    "train.py 12:30:45 2024-01-02T03:04:05 a:b",
    "train.py 'the password of the day is a word'",
    "train.py " + "0123456789abcdef" * 4,
    "train.py risk-model-2024-A disk-usage-REPORT-2024",
    "train.py r8-model fw-version xai-method",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_credential_of_a_command_is_seen(command: str) -> None:
    """As one text, and as the words that a program gets."""
    line = command.format(X=X)
    assert X not in mask_text(line)
    words = shlex.split(line)
    assert X not in " ".join(mask_arguments(words))
    assert len(mask_arguments(words)) == len(words)


@pytest.mark.parametrize("secret", LOOKS)
@pytest.mark.parametrize("around", ["{}", "x {} y", "train.py --x={}", '{{"a": "{}"}}', "a: {}\n"])
def test_a_token_is_known_by_its_look(secret: str, around: str) -> None:
    """Wherever it stands, with no name beside it."""
    body = secret.split("\n")[1] if "\n" in secret else secret[8:]
    assert body not in mask_text(around.format(secret))


@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_no_credential_stays(line: str) -> None:
    """To the byte, as text and as words."""
    assert mask_text(line) == line
    words = shlex.split(line.replace("\\", "\\\\"))
    assert mask_arguments(words) == words


@pytest.mark.parametrize("line", [*COMMANDS, *HARMLESS])
def test_masking_again_changes_nothing(line: str) -> None:
    """What is masked is not a credential."""
    once = mask_text(line.format(X=X) if "{X}" in line else line)
    assert mask_text(once) == once


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("--index-url https://alice:{X}@host/simple", "--index-url https://host/simple"),
        ("--extra-index-url=https://{X}@host/simple", "--extra-index-url=https://host/simple"),
        ("--index-url https://alice:pa/ss{X}@host:8080/simple", "--index-url https://host:8080/simple"),
        ("git+https://{X}@github.com/o/r.git@main#egg=r", "git+https://github.com/o/r.git@main#egg=r"),
        ("r @ git+https://x:{X}@github.com/o/r.git", "r @ git+https://github.com/o/r.git"),
        ("https://host/r-1.whl?token={X}", "https://host/r-1.whl"),
        ("https://host/r-1.whl?part=2&sig={X}#sha256=ab", "https://host/r-1.whl?part=2#sha256=ab"),
        ("https://conda.anaconda.org/t/tk-{X}/channel", "https://conda.anaconda.org/channel"),
        (
            "--index-url https://${{USER}}:${{TOKEN}}@host/simple",
            "--index-url https://${{USER}}:${{TOKEN}}@host/simple",
        ),
        ("git+ssh://git@github.com/o/r.git", "git+ssh://git@github.com/o/r.git"),
        ("secretstorage==3.3", "secretstorage==3.3"),
        ("keyring[x]>=24 ; python_version<'3.12'", "keyring[x]>=24 ; python_version<'3.12'"),
        ("tokenizers==0.20 --hash=sha256:" + "ab" * 32, "tokenizers==0.20 --hash=sha256:" + "ab" * 32),
        ("-e ./pkg[extra]", "-e ./pkg[extra]"),
        ("r @ https://host/" + "ghp_" + "A1b2" * 9, "r @ https://host/***"),
    ],
)
def test_a_requirement_keeps_its_address_and_loses_what_opens_it(given: str, left: str) -> None:
    """So that it can still be installed, by whoever may."""
    assert without_credentials(given.format(X=X)) == left.format(X=X)

"""What the golden stores hold: for each run the digest of its manifest, and of each file."""

from __future__ import annotations

from typing import Final

# store -> run -> (digest of the manifest, path -> SHA-256)
EXPECTED: Final[dict[str, dict[str, tuple[str, dict[str, str]]]]] = {
    "aliased": {
        "21b111cbdc166d327e300c6e6e29b477": (
            "sha256:fdfa1ce10abde4e15c2463d6a09823e0a3c577efddab9812a2c8dfc0df1b8530",
            {
                "first/MLmodel": "7f8f4a879eefb3f9fed9c6af4077c9acb0db066b2906d6570c42913478686b0f",
                "second/MLmodel": "74837a29f1e0cc084610370568e3e2064eb58b5c8dcb42670aa8aa72209affc1",
            },
        ),
    },
    "crashed": {
        "21b111cbb55178cd982b859c7770c562": (
            "sha256:2cd84fc7097cbc1185b1566f645244fc632e3b81ccad13357802fa4e381057ae",
            {
                "before.txt": "3593ddf23f20fa482c68cbad8745ae544709d50b29e3dcd85a441595b0d38984",
            },
        ),
    },
    "folded": {
        "21b111cb1d3acbdbdd7a8309b54fffbd": (
            "sha256:dc70248e48aba24c64073cd9df9f6312249684c743247833909f0014a740ca7d",
            {
                **{
                    f"folded/0/{i:02}": "514d9b2d3529a8d1a76007f2594ab7e0aa53b576f060120b9e3c7cbad8bb434c"
                    for i in range(30)
                },
                **{
                    f"folded/1/{i:02}": "63ab06c0ffb54d74b463e4e06fba1f6673b68928a2d740760b08b493e623644c"
                    for i in range(30)
                },
                **{
                    f"folded/2/{i:02}": "4254c5bfda6e6b2064247fffd2df9adc9ec15a2432e050d77f4b7282c6169804"
                    for i in range(30)
                },
                "folded/alone": "69ad2b09760009258ed040fb08fcb5ff550cdec771e778d399dfb2b29e6d13dd",
                "packed/0": "514d9b2d3529a8d1a76007f2594ab7e0aa53b576f060120b9e3c7cbad8bb434c",
                "packed/1": "63ab06c0ffb54d74b463e4e06fba1f6673b68928a2d740760b08b493e623644c",
                "packed/2": "4254c5bfda6e6b2064247fffd2df9adc9ec15a2432e050d77f4b7282c6169804",
                "packed/table": "002899b8dc82d0f1e77110efbaa0324490ad4a89212af972eb48c03a0de9fcc4",
            },
        ),
    },
    "garbage": {
        "21b111cb4168e8c16a5f67a8d159a928": (
            "sha256:e1489a751454cb179bbaad079ab6a845aa5072508bc4b8b7e4bc746c7aa3b24e",
            {
                "found.txt": "7945e3625fa8994b44a14dbd88a4f1a2bfa0082840c362fd894eea573577e7c0",
            },
        ),
        "21b111cb60938d016dbdc73dbf387ff7": (
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            {},
        ),
        "21b111cbd0d7f7c187e9d938b0280b27": (
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            {},
        ),
    },
    "gathered": {
        "21b111cbf4d9639ef37bd52cfe894b66": (
            "sha256:99dedd4041c8d93bcc83847c6ce41ee87897b5446a044bbbf382006983054d9b",
            {
                **{
                    f"tiny/{n:02}": "f5158912ebd73d92471dbf5d24bdf331e592728a6a3e0d7603b662df30a788cb"
                    for n in range(0, 18, 2)
                },
                **{
                    f"tiny/{n:02}": "bdffdddb0048d2b522ff4a71b292dbfbe890f4b34d6171371930e532a684e142"
                    for n in range(1, 18, 2)
                },
            },
        ),
    },
    "inline": {
        "21b111cb7a620d3ca2f7b0203974a06e": (
            "sha256:56ff5668b24fd19960affb0707f7a6904a57ba231d291149449c80cb72af9134",
            {
                "bin/nothing": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "bin/tool": "0cdc6b79d50869ab8f823bd4748fe65c9a1469d0754ed85a8d773956b76256eb",
                "copy/of/readme.txt": "f26f107f7ef2526fe2a0617c15d7a2938a1bfb913fcdf2306d5717a238e67d12",
                "empty": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "log.txt": "a235f6dc0dc2d5e7508f6db68b9a78e328f6353226adbe05adcb38ab87ff8e1f",
                "noise.bin": "083a9a061526e604a1f85f28e4ef27c50259ebb44299850ea3dfbb158b610246",
                "odd/#comment": "447a190608a33c49695f80e29a21b24811fb041373097836ffc20847ba2d71d4",
                "odd/*star": "311ccdc6983cd4f718cbf8225d5dc7dc90082b36e338741a4668fe784eaa7358",
                "odd/-dash": "b693fbbf1c05e454549b8a9b4c3df4b3bbd6f640f87bfbebc5d9fcf27905a363",
                "odd/carriage\rreturn": "dd4f044289fe896ec2b9b38c5d0eeedb6ce3bdb91b1c67fe2d202ff9806d31b4",
                "odd/é": "bf12767b0f2a56b2190075bae8169f656e3ce8d6357d4aff184bc6c7ea48f9f6",
                "odd/new\nline": "58fb6729e555d21b53bde4cc31a1bfcafa8f7fdfc71cba94dffcf284d75f5d08",
                "odd/two  spaces ": "aaf3890c41508c509ddaceb33779a5c7eb55306747a9773acdbb90c750ae2ab1",
                "odd/é": "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c",
                "odd/漢字 ☃": "aee0074aae44975dd540e3d3622870d37afc7498c56e83009d3f348701a92043",
                "order/a!": "bb7208bc9b5d7c04f1236a82a0093a5e33f40423d5ba8d4266f7092c3ba43b62",
                "order/a-/b": "7d9781e0acd199acb1299ca7aea4cc7c551567e3c21d90161532f14718b50ea6",
                "order/a.b": "868dc77bc9bbfff4adda0a9cd587febed2b6f95151ec610940438a1544828574",
                "order/a/b": "8d0b86c65c1cfa393e123fe3cff1533451267e9aff3dde93a2965f0d894b02af",
                "order/ab/c": "b9e2beb9a0cdd309d9f98c1930bf0e3afa6e70a984ad872b714784ce68b2a09e",
                "readme.txt": "f26f107f7ef2526fe2a0617c15d7a2938a1bfb913fcdf2306d5717a238e67d12",
            },
        ),
        "30f9327f61fc9a2830d8709c71f2cbab": (
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            {},
        ),
    },
    "packed": {
        "21b111cb63751a58867f4bbc8949e3e7": (
            "sha256:38b7d4ce902346f501c72ecf7b8daa82a38e0d1e4303827e0e1d12e1c1332fa2",
            {
                "again/empty": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "again/table": "05a94535b61c5def481a3f64f3e34f33d3a6497093a6fd23aa279515896528da",
                "weights.bin": "ab33710917683dd60a110c52a93528e071629700b045aae4bb9533b9f1a1d446",
            },
        ),
        "21b111cb8d74b81613baf28c3cadfe2a": (
            "sha256:8a0079b244c9113767b987212e78ccb5214bc9e7a993b0f1f3a23e9079314c59",
            {
                "model/config.json": "b3cbe1731baf1669a9a48925741264c4baf63daccb2b8bc5607c5b14912945e1",
                "model/weights.bin": "163143e2fa96bdfe4a9d643cd7c7515a1ea98c9ed14a818cca4674e08ff6da8e",
                "notes.txt": "7830a3ac09aa882be9a39edb51da7cb2f9725a7fabb745a40be423948a17bff6",
                "table": "05a94535b61c5def481a3f64f3e34f33d3a6497093a6fd23aa279515896528da",
            },
        ),
    },
    "planned": {
        "21b111cb4cefb5c22c81e8ba7026368a": (
            "sha256:437801b0a5044f6f46d31763fc58ce4fd3c1bbdb437d63645f565ebe909bf222",
            {
                "letters": "ad553e237f812992373328dd2f378c2dd780d93f3a4b76c61e17916d413e6d96",
                "model.safetensors": "e411ad89f50073032d70cc01c8caa9423dafd11d5d1f0ba812822111dd0154c7",
                "noise": "4961cb045bb6ee14e628b78244595afff4ab98ce85df55bcdf43bf5774c49c1d",
                "table": "05a94535b61c5def481a3f64f3e34f33d3a6497093a6fd23aa279515896528da",
                "unnamed.bin": "ae28522086443ca31a2396d95ef50a2f6b6998b46937d1d77e6178499465d2c1",
            },
        ),
        "21b111cbba763c356d67b1fb12796f98": (
            "sha256:ec65b7b27dad48eb5e686260cbd10539a8a6fa407acc1ea70e782a6f0521cdff",
            {
                "model.safetensors": "e411ad89f50073032d70cc01c8caa9423dafd11d5d1f0ba812822111dd0154c7",
                "new": "ab33710917683dd60a110c52a93528e071629700b045aae4bb9533b9f1a1d446",
                "noise": "05a94535b61c5def481a3f64f3e34f33d3a6497093a6fd23aa279515896528da",
            },
        ),
    },
    "planes": {
        "21b111cb023d5fcc2aefa1f3344cfd4d": (
            "sha256:d7c08fcb738568ec073600409dfbbe2c60a67eb84a95ce4012d9ee298b6343df",
            {
                "2.bin": "443a79298634a3fb850e445eb85797a45d7406cfa05ece41bf3256230645a099",
                "4.bin": "dc7931775ed17277c1a8302c1997682ddb3629dedc2c7aad65a163fc8602dcda",
                "8.bin": "a97b96264048dd4262a8707960358ad67c65f06203cb17271bbc1c380922ea4c",
            },
        ),
    },
    "extremes": {
        "21b111cbb59c3e69b9629227c2b89b97": (
            "sha256:2109c4b8f3b6eafc7dfa7f9fcf8712e577041f78999b28ef1e9d27d6dbf5ee1a",
            {
                "report.txt": "5da613fe666883444491143c030f15ce7e21f7168be39c0e2ae8b60b2994c726",
            },
        ),
    },
    "measured": {
        "21b111cbef72a6a22a52d3f5d47e2850": (
            "sha256:8b48e0dff7c342339eebece0468ccda626724b1f0731147680af1b8b6389e2ed",
            {
                "report.txt": "6a5cc68c4c3410fedb035486291349f57104fe7592f91c6ba052f983000244f6",
            },
        ),
    },
    "signed": {
        "21b111cb396c754e864f7878ecf5be7d": (
            "sha256:5188dcea6a3d8cd13b05f059a85330cca258054a3745d64c882c25412622239f",
            {
                "model/MLmodel": "7f8f4a879eefb3f9fed9c6af4077c9acb0db066b2906d6570c42913478686b0f",
                "more.txt": "2396099c6c084fa4b9beac9f0d52cf3be9cf8d47040ef127883d532b5790cd74",
                'odd "name" ☃': "80a3ef2f5539b0a6b5ee045e2a1de83bfb38550da54aa4d60dc1b9526b4b0805",
            },
        ),
        "21b111cbb18aaebc224494cd6497e495": (
            "sha256:5c502a51ee97a23da9917f8d246548dc826f621575f122e26fcbf0e6904e16ad",
            {
                "model/MLmodel": "7f8f4a879eefb3f9fed9c6af4077c9acb0db066b2906d6570c42913478686b0f",
                'odd "name" ☃': "80a3ef2f5539b0a6b5ee045e2a1de83bfb38550da54aa4d60dc1b9526b4b0805",
            },
        ),
    },
    "states": {
        "21b111cb7223c18e057359187d437186": (
            "sha256:1655fd3e9bcdd166625a5cff115b1d091dbe5efe2e5cc5d341635e7f6faec4b7",
            {
                "checkpoints/00/state.txt": "59d24a9d9e85e6126cb08743c3f552cb7c99a130d571d4e8eba6bff2424e0818",
                "checkpoints/07/state.txt": "b4c382070d072c6175bb165fe1e8519665b5ffc7cab479d4c047cc530c3e4e92",
                "checkpoints/14/state.txt": "6929796a43dce62aa08a8cb5bb0f2e77a329a7e9f470d7c202bcf2d81f9ecb0b",
                "checkpoints/21/state.txt": "a5027b69cfabe5d36e6e388f05013c0f3e4c14190fc6b0dffb122a55ebadc20a",
                "checkpoints/28/state.txt": "3dc1b28559c4833a64d2be99b273c88ab42718596ae47d3232317d39b1a381de",
                "checkpoints/35/state.txt": "c2ab5e7910131102a7f8d174bf542c00f977bb0a177dd019189cdf1df6e61e11",
                "checkpoints/42/state.txt": "80cf871792326f22ee7a3bf8a645e0ddf36bc9bab314541ca3c845a981b4624f",
                "checkpoints/49/state.txt": "1a93dbaceeec4a4924903447fc5f1887a72711ea68faa697517b7c682e9c20d9",
                "checkpoints/56/state.txt": "221475455d0d6d285e21cb24ea4885f61b6348c2706009256575cd8c3365598e",
                "checkpoints/63/state.txt": "72efcc516423dee26fa7aa62635f359806473a8b4c4fcd9c41b8b78a863b5bfc",
            },
        ),
    },
    "registered": {
        "21b111cb76b1c5102608f914c120ff80": (
            "sha256:fdfa1ce10abde4e15c2463d6a09823e0a3c577efddab9812a2c8dfc0df1b8530",
            {
                "first/MLmodel": "7f8f4a879eefb3f9fed9c6af4077c9acb0db066b2906d6570c42913478686b0f",
                "second/MLmodel": "74837a29f1e0cc084610370568e3e2064eb58b5c8dcb42670aa8aa72209affc1",
            },
        ),
    },
    "pinned": {
        "21b111cbc32d7fc367839c5eedfa8452": (
            "sha256:fdfa1ce10abde4e15c2463d6a09823e0a3c577efddab9812a2c8dfc0df1b8530",
            {
                "first/MLmodel": "7f8f4a879eefb3f9fed9c6af4077c9acb0db066b2906d6570c42913478686b0f",
                "second/MLmodel": "74837a29f1e0cc084610370568e3e2064eb58b5c8dcb42670aa8aa72209affc1",
            },
        ),
    },
    "purged": {
        "21b111cb671379b25a64a221c3bdf6ff": (
            "sha256:3c72e99576dd0f57cf126f939a297bd5fe470978fbc286008d218fc8d849266b",
            {
                "note.txt": "78051faade059d70866df6a3fb83ef348721fd74a87e93ef95c493f87d0d236b",
            },
        ),
    },
    "repaired": {
        "21b111cb4521bf71580ffdf987112b84": (
            "sha256:e6035d2a99cf8f68e247415e10a30399f4a9b09a3861b5ef1811a5e7d6623f15",
            {
                "note.txt": "81db8ebbbbc69c6c6ad4a6aa92b76e0c08af547da236b9e2c9dbe1d8285a8130",
                "text.txt": "223e3ae4057fd9b219a86d8c76394c38bb962a3816a206404809227b97050564",
            },
        ),
        "21b111cbea398f99bac6f767ebd9f80d": (
            "sha256:2d709a2f62655f3cb292569f71b00816f468f652f0641c24c9bc0b65fcb07049",
            {
                "again.txt": "223e3ae4057fd9b219a86d8c76394c38bb962a3816a206404809227b97050564",
            },
        ),
    },
    "versioned": {
        "21b111cbb1fe26a0f2f1f9de3f30d0f1": (
            "sha256:f26ebb1ab1c9579891d4e0534f4b50f66e7e0b5421d199818db1dfba9d4ee4d8",
            {
                "a": "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
                "d": "e4ce4ce11dbb5cc0a319085a80d587aec645a10c90f9e6d1917b2d141283c0f9",
            },
        ),
        "21b111cbdcc0a8b48b12a0af4261e1f3": (
            "sha256:b95b96f5aea0f5abfebaf067bd557139b5a67dd58845de39eeb3c77804243ba0",
            {
                "last.bin": "20ebccb87a5ffcfacb6ad3b93c8610ede52235f88f61ec36bb37b832423a7d8f",
                "log.txt": "ed63c1c95aef1177b9beb634c208eae560f6f9521b3991fbbbea2f85e3bfb7d8",
                "plots": "e4ce4ce11dbb5cc0a319085a80d587aec645a10c90f9e6d1917b2d141283c0f9",
            },
        ),
    },
    "shared": {
        "21b111cba90a1109a1c134ed36a55640": (
            "sha256:cb02c438a00b992ec39720fae367054c6750935c67dc822e8e0706d5f4877a9f",
            {
                "letters": "6965ec20ccc997ae3e71468af40620613adab61f0d38be295e313bd9fa0ca191",
                "model.safetensors": "7f742589b7f3b1aead9f1247faf2c70cabed4abae8cc8e51bf7a8c553f53fee7",
                "model/config.json": "b3cbe1731baf1669a9a48925741264c4baf63daccb2b8bc5607c5b14912945e1",
                "model/weights.bin": "35d0a1bcdd278f55f10e3a3512fa1b5bdaf486eff727c33fc17f568aef735796",
                "notes.txt": "7830a3ac09aa882be9a39edb51da7cb2f9725a7fabb745a40be423948a17bff6",
                "table": "404ff400e011dac7de4c507a8902650e67231bdb6baf0790a95e32236325d958",
                "unnamed.bin": "9d049d6c456b35fc06a816beb9401d432d7c8365ab2062f4465af1e9ae9dee88",
            },
        ),
        "21b111cbfc0b21a1d1ec8ed64a861d9b": (
            "sha256:827b737f77b5029072ee44f09b43ba50681e2fce2a9c4721681669d94451d144",
            {
                "again/empty": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "again/table": "404ff400e011dac7de4c507a8902650e67231bdb6baf0790a95e32236325d958",
                "model.safetensors": "7f742589b7f3b1aead9f1247faf2c70cabed4abae8cc8e51bf7a8c553f53fee7",
                "weights.bin": "a13006d0f0a860f44dfd9a38446ccb3ad80db8d70e43720cd13b884ed7c495c8",
            },
        ),
    },
    "crowded": {
        "21b111cb20253183034c2a6701757701": (
            "sha256:48ceba02b0d6f7c234bcb1aece7d96615b76ade5cd52bee6591bdb7af1b44c26",
            {
                **{
                    f"folded/0/{i:02}": "514d9b2d3529a8d1a76007f2594ab7e0aa53b576f060120b9e3c7cbad8bb434c"
                    for i in range(30)
                },
                **{
                    f"folded/1/{i:02}": "63ab06c0ffb54d74b463e4e06fba1f6673b68928a2d740760b08b493e623644c"
                    for i in range(30)
                },
                **{
                    f"folded/2/{i:02}": "4254c5bfda6e6b2064247fffd2df9adc9ec15a2432e050d77f4b7282c6169804"
                    for i in range(30)
                },
                "folded/alone": "69ad2b09760009258ed040fb08fcb5ff550cdec771e778d399dfb2b29e6d13dd",
                "packed/0": "514d9b2d3529a8d1a76007f2594ab7e0aa53b576f060120b9e3c7cbad8bb434c",
                "packed/1": "63ab06c0ffb54d74b463e4e06fba1f6673b68928a2d740760b08b493e623644c",
                "packed/2": "4254c5bfda6e6b2064247fffd2df9adc9ec15a2432e050d77f4b7282c6169804",
                "packed/table": "0b3036b6864fe5031e060d43f0f47d7dc112d5e7d678ce7a009e34050d55959d",
            },
        ),
    },
    "abandoned": {
        "21b111cb020fb8ed365d91454b352c7e": (
            "sha256:eb48fdae8cdabeee7c5d66226571361927485a423ffa16e6481eeb46ff853a96",
            {
                "found.txt": "62ef8b6bdb2433a7745cba766c98da62cb1b9318e54782a48b970a3540aa9a45",
            },
        ),
        "21b111cb0e1f9d013793e9051933ffce": (
            "sha256:2cd84fc7097cbc1185b1566f645244fc632e3b81ccad13357802fa4e381057ae",
            {
                "before.txt": "3593ddf23f20fa482c68cbad8745ae544709d50b29e3dcd85a441595b0d38984",
            },
        ),
        "21b111cba66da47d66aa224656befc99": (
            "sha256:2cd84fc7097cbc1185b1566f645244fc632e3b81ccad13357802fa4e381057ae",
            {
                "before.txt": "3593ddf23f20fa482c68cbad8745ae544709d50b29e3dcd85a441595b0d38984",
            },
        ),
        "21b111cbfef102e28dffb21a1279cadc": (
            "sha256:2cd84fc7097cbc1185b1566f645244fc632e3b81ccad13357802fa4e381057ae",
            {
                "before.txt": "3593ddf23f20fa482c68cbad8745ae544709d50b29e3dcd85a441595b0d38984",
            },
        ),
    },
    "mended": {
        "21b111cb24365debcaccc3b2b3e1c336": (
            "sha256:0bfc80963ddd6bf56369531d35a7ad432815385fb601f0d5da1070c9fac96bef",
            {
                "note.txt": "81db8ebbbbc69c6c6ad4a6aa92b76e0c08af547da236b9e2c9dbe1d8285a8130",
                "text.txt": "a274e7342afc9fa7708eefaca662e38d20f05d898c6c9199af7906571ee10b58",
            },
        ),
        "21b111cb7c0577fbe41fa50be3c1e6ec": (
            "sha256:1ca43604d373d99a65ffb6c00e08979ca6162ebee2e65935ebcba584aaa8531b",
            {
                "again.txt": "a274e7342afc9fa7708eefaca662e38d20f05d898c6c9199af7906571ee10b58",
            },
        ),
    },
    "replaced": {
        "21b111cbab6379ac7ec46d625a9ce5b7": (
            "sha256:492e5222dd59cd5759fe6fc28990d6676ae740878e8bfd830391abb2e32adbaa",
            {
                "last.bin": "98215fb878e12a11e4a7ca0faa9a909621d4e70e1dc19aec09357dc3eedd1fb0",
                "log.txt": "ed63c1c95aef1177b9beb634c208eae560f6f9521b3991fbbbea2f85e3bfb7d8",
                "plots": "e4ce4ce11dbb5cc0a319085a80d587aec645a10c90f9e6d1917b2d141283c0f9",
            },
        ),
        "21b111cbb64775d804e66109de18c9c1": (
            "sha256:f26ebb1ab1c9579891d4e0534f4b50f66e7e0b5421d199818db1dfba9d4ee4d8",
            {
                "a": "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
                "d": "e4ce4ce11dbb5cc0a319085a80d587aec645a10c90f9e6d1917b2d141283c0f9",
            },
        ),
    },
}

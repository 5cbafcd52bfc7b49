"""What hostile people make of a SAML response: forged, wrapped, replaced, and signed by the wrong hands.

Works on the XML alone; must not know the product.
"""

import copy
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from typing import Any

from lxml import etree  # type: ignore[import-untyped]
from onelogin.saml2.utils import OneLogin_Saml2_Utils  # type: ignore[import-untyped]

from tests.support.identity import KeyPair

Element = Any
NS = {
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}
_CONFIRMED = "//saml:SubjectConfirmationData"


def parsed(response: str) -> Element:
    return etree.fromstring(b64decode(response))


def posted(document: Element) -> str:
    return b64encode(etree.tostring(document)).decode()


def one(document: Element, path: str) -> Element:
    (found,) = document.xpath(path, namespaces=NS)
    return found


def _remove(element: Element) -> Element:
    element.getparent().remove(element)
    return element


def _evil(assertion: Element, email: str, *, signature: bool = False) -> Element:
    """Return a copy that is about somebody else."""
    made = copy.deepcopy(assertion)
    made.set("ID", "_evil")
    one(made, ".//saml:NameID").text = email
    one(made, './/saml:Attribute[@Name="mail"]/saml:AttributeValue').text = email
    if not signature:
        _remove(one(made, "./ds:Signature"))
    return made


def _wrapped_before(document: Element, email: str) -> None:
    genuine = one(document, "//saml:Assertion")
    genuine.addprevious(_evil(genuine, email))


def _wrapped_around(document: Element, email: str) -> None:
    genuine = one(document, "//saml:Assertion")
    evil = _evil(genuine, email)
    genuine.addprevious(evil)
    evil.append(_remove(genuine))


def _original_at_the_end(document: Element, email: str) -> None:
    genuine = one(document, "//saml:Assertion")
    original = copy.deepcopy(genuine)
    _remove(one(original, "./ds:Signature"))
    genuine.addprevious(_evil(genuine, email, signature=True))
    document.append(original)
    _remove(genuine)


def _original_in_the_signature(document: Element, email: str) -> None:
    genuine = one(document, "//saml:Assertion")
    original = copy.deepcopy(genuine)
    _remove(one(original, "./ds:Signature"))
    evil = _evil(genuine, email, signature=True)
    genuine.addprevious(evil)
    _remove(genuine)
    one(evil, "./ds:Signature").append(original)


def _evil_in_extensions(document: Element, email: str) -> None:
    genuine = one(document, "//saml:Assertion")
    evil = _evil(genuine, email)
    evil.set("ID", genuine.get("ID"))
    extensions = etree.Element(f"{{{NS['samlp']}}}Extensions")
    extensions.append(evil)
    one(document, "./saml:Issuer").addnext(extensions)


def _original_in_an_object(document: Element, email: str) -> None:
    genuine = one(document, "//saml:Assertion")
    original = copy.deepcopy(genuine)
    _remove(one(original, "./ds:Signature"))
    evil = _evil(genuine, email, signature=True)
    genuine.addprevious(evil)
    _remove(genuine)
    holder = etree.SubElement(one(evil, "./ds:Signature"), f"{{{NS['ds']}}}Object")
    holder.append(original)


def _same_id_twice(document: Element, email: str) -> None:
    genuine = one(document, "//saml:Assertion")
    evil = _evil(genuine, email)
    evil.set("ID", genuine.get("ID"))
    document.append(evil)


def _changed(document: Element, email: str) -> None:
    one(document, '//saml:Attribute[@Name="mail"]/saml:AttributeValue').text = email
    one(document, "//saml:NameID").text = email


def _split_by_a_comment(document: Element, email: str) -> None:
    name = one(document, "//saml:NameID")
    whole, name.text = name.text, email
    comment = etree.Comment("cut here")
    comment.tail = whole
    name.append(comment)


def _unsigned(document: Element, _email: str) -> None:
    _remove(one(document, "//ds:Signature"))


def _unsigned_and_changed(document: Element, email: str) -> None:
    _unsigned(document, email)
    _changed(document, email)


def _broken_signature(document: Element, _email: str) -> None:
    value = one(document, "//ds:SignatureValue")
    text = value.text.strip()
    value.text = ("A" if text[0] != "A" else "B") + text[1:]


def _evil_response(document: Element, email: str) -> tuple[Element, Element]:
    """Make the document somebody else's; return the genuine one without its signature, and that."""
    genuine = copy.deepcopy(document)
    _remove(one(genuine, "./ds:Signature"))
    document.set("ID", "_evil-response")
    _changed(document, email)
    return genuine, one(document, "./ds:Signature")


def _response_in_its_signature(document: Element, email: str) -> None:
    genuine, signature = _evil_response(document, email)
    signature.append(genuine)


def _response_before_its_signature(document: Element, email: str) -> None:
    genuine, signature = _evil_response(document, email)
    signature.addprevious(genuine)


def _message_signature_alone(document: Element, _email: str) -> None:
    _remove(one(document, "//saml:Assertion/ds:Signature"))


DOUBLE: dict[str, Callable[[Element, str], None]] = {
    "XSW1: the genuine message in the signature": _response_in_its_signature,
    "XSW2: the genuine message before the signature": _response_before_its_signature,
    "only the message's signature": _message_signature_alone,
    "both signatures, and another name": _changed,
}
"""Of messages that are signed beside their assertion."""

FORGERIES: dict[str, Callable[[Element, str], None]] = {
    "XSW3: an assertion before the genuine one": _wrapped_before,
    "XSW4: an assertion around the genuine one": _wrapped_around,
    "XSW5: the genuine one at the end": _original_at_the_end,
    "XSW6: the genuine one in the signature": _original_in_the_signature,
    "XSW7: an assertion in the extensions": _evil_in_extensions,
    "XSW8: the genuine one in an object of the signature": _original_in_an_object,
    "the same id twice": _same_id_twice,
    "somebody else's name": _changed,
    "a name split by a comment": _split_by_a_comment,
    "no signature": _unsigned,
    "no signature and another name": _unsigned_and_changed,
    "a broken signature": _broken_signature,
}


def forgeries(response: str, email: str) -> Iterator[tuple[str, str]]:
    """Yield every forgery of a genuine response that would make its bearer somebody else."""
    for name, forge in FORGERIES.items():
        document = parsed(response)
        forge(document, email)
        yield name, posted(document)
    text = b64decode(response)
    entity = b'<!DOCTYPE r [<!ENTITY who "' + email.encode() + b'">]>'
    yield "a document type", b64encode(entity + text).decode()
    yield "not XML", b64encode(b"nonsense").decode()
    yield "not base64", "%%%"
    yield "nothing", ""


def double_forgeries(response: str, email: str) -> Iterator[tuple[str, str]]:
    """Yield the forgeries of a genuine response whose message is signed too."""
    for name, forge in DOUBLE.items():
        document = parsed(response)
        forge(document, email)
        yield name, posted(document)


def mutilated(response: str) -> Iterator[str]:
    """Yield the response with each of its elements in turn gone, or emptied."""
    count = len(list(parsed(response).iter("*")))
    for number in range(1, count):
        document = parsed(response)
        element = list(document.iter("*"))[number]
        if number % 2:
            _remove(element)
        else:
            element.clear()
        yield posted(document)


def signed_again(response: str, pair: KeyPair, change: Callable[[Element], object]) -> str:
    """Change the assertion of a response and sign it with this key: what only a provider could do."""
    document = parsed(response)
    assertion = one(document, "//saml:Assertion")
    _remove(one(assertion, "./ds:Signature"))
    change(document)
    signed = OneLogin_Saml2_Utils.add_sign(etree.tostring(assertion), pair.key, pair.certificate)
    assertion.addprevious(etree.fromstring(signed))
    _remove(assertion)
    return posted(document)


def setting(path: str, name: str, value: str | None) -> Callable[[Element], object]:
    """Return a change of one attribute, everywhere that the path leads; None removes it."""

    def change(document: Element) -> None:
        for element in document.xpath(path, namespaces=NS):
            if value is None:
                element.attrib.pop(name, None)
            else:
                element.set(name, value)

    return change


def text_of(path: str, value: str) -> Callable[[Element], object]:
    """Return a change of one text."""

    def change(document: Element) -> None:
        one(document, path).text = value

    return change


def without(path: str) -> Callable[[Element], object]:
    """Return the removal of an element."""
    return lambda document: _remove(one(document, path))


UNTRUE: dict[str, Callable[[Element], object]] = {
    "an end that is over": setting(_CONFIRMED, "NotOnOrAfter", "2020-01-01T00:00:00Z"),
    "conditions that are over": setting("//saml:Conditions", "NotOnOrAfter", "2020-01-01T00:00:00Z"),
    "a beginning that is to come": setting("//saml:Conditions", "NotBefore", "2090-01-01T00:00:00Z"),
    "no end": setting(_CONFIRMED, "NotOnOrAfter", None),
    "another recipient": setting(_CONFIRMED, "Recipient", "https://elsewhere.example/saml/corp/sso"),
    "a longer recipient": setting(_CONFIRMED, "Recipient", "https://elsewhere.example/?x="),
    "no recipient": setting(_CONFIRMED, "Recipient", None),
    "another request": setting(_CONFIRMED, "InResponseTo", "_of-somebody-else"),
    "no request": setting(_CONFIRMED, "InResponseTo", None),
    "another audience": text_of("//saml:Audience", "https://elsewhere.example/metadata"),
    "no audience": without("//saml:AudienceRestriction"),
    "another issuer": text_of("//saml:Assertion/saml:Issuer", "https://elsewhere.example/metadata"),
    "another destination": setting(".", "Destination", "https://elsewhere.example/saml/corp/sso"),
    "a failure": setting("//samlp:StatusCode", "Value", "urn:oasis:names:tc:SAML:2.0:status:Responder"),
    "another confirmation": setting(
        "//saml:SubjectConfirmation", "Method", "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"
    ),
}

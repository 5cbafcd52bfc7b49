"""Feature properties are plain replacement of known names."""

import pytest

from mr.db.properties import NO_TEMPLATES, PropertyTemplates

FACTS = {
    "feature": {"name": "New cart", "key": "NEW_CART", "description": None},
    "application": {"name": "web"},
    "portfolio": {"name": "Shop"},
    "metadata": '{"team": {"name": "checkout"}, "priority": 2, "hot": true, "tags": ["a"]}',
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{feature.name}", "New cart"),
        ("{portfolio.name}/{application.name}", "Shop/web"),
        ("{metadata.team.name}", "checkout"),
        ("{metadata.priority}", "2"),
        ("{metadata.hot}", "true"),
        ("{metadata.tags}", ""),
        ("{metadata.team}", ""),
        ("{feature.description}", ""),
        ("{feature.__class__}", ""),
        ("{nothing}", ""),
        ("constant", "constant"),
        ("{not a name}", "{not a name}"),
    ],
)
def test_a_template_is_filled_from_the_facts(template, expected):
    assert PropertyTemplates.parse(f"p={template}").render(FACTS) == {"p": expected}


@pytest.mark.parametrize("metadata", [None, "", "no json", "[1]", '"text"', "12"])
def test_metadata_that_is_no_object_gives_nothing(metadata):
    templates = PropertyTemplates.parse("team={metadata.team}")
    assert templates.render(FACTS | {"metadata": metadata}) == {"team": ""}


def test_several_templates_are_separated_by_commas():
    assert PropertyTemplates.parse(" a = x , b=y=z,").templates == (("a", "x"), ("b", "y=z"))
    assert PropertyTemplates.parse("") == NO_TEMPLATES


@pytest.mark.parametrize("text", ["novalue", "=x", "a=1,,b"])
def test_what_is_no_pair_is_named(text):
    with pytest.raises(ValueError, match="is not name=template"):
        PropertyTemplates.parse(text)


def test_the_fingerprint_differs_with_the_templates():
    assert PropertyTemplates.parse("a=x").fingerprint != PropertyTemplates.parse("a=y").fingerprint

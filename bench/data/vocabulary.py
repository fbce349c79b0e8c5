"""Words of the synthetic pages: a common stock, and words that only one class uses."""

from __future__ import annotations

COMMON = """
    the of and to in for with on at by from this that which will be is are was has have not all any our your their
    date page number office company department general please note after before between under over each other
""".split()  # noqa: SIM905 (a list of words reads better as text)

OWN = {
    "letter": "dear sincerely yours regards enclosed thank gratefully correspondence reply kindly pleased hope sirs",
    "form": "applicant surname birthplace signature tick block capitals employer initials section complete fill box",
    "email": "subject forwarded inbox attachment cc reply thread sent unsubscribe mailbox server recipient online",
    "handwritten": "remember call tomorrow buy maybe idea sketch ask later notes self list think",
    "advertisement": "new flavour taste fresh save today bargain smooth premium discover limited offer free",
    "scientific report": "abstract objective laboratory findings submitted investigators study protocol institute",
    "scientific publication": "hypothesis et al journal significant samples measured variance figure cited conclusion",
    "specification": "tolerance diameter millimetres grade shall conform moisture packing inspection maximum minimum",
    "file folder": "archive drawer confidential records index volume retention label",
    "news article": "yesterday spokesman reporters government announced city police senator election headline said",
    "budget": "forecast quarter expenditure variance allocation salaries travel overhead actual planned fiscal",
    "invoice": "amount due remit payment quantity unit price subtotal tax total terms shipped billing",
    "presentation": "strategy overview goals roadmap agenda takeaway vision launch growth milestones",
    "questionnaire": "agree disagree often never sometimes rate satisfied question answer scale respondent likely",
    "resume": "education experience university skills languages references employment degree graduated objective",
    "memo": "memorandum interoffice staff effective immediately policy reminder meeting attend personnel subject",
}
CLASSES = list(OWN)


def words(class_name: str) -> list[str]:
    """The words of a class's pages; about two in three are its own."""
    own = OWN[class_name].split()
    return own * max(1, round(2 * len(COMMON) / len(own))) + COMMON
